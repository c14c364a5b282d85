// Toasts: what has happened, for ten seconds, with a way back. The last ten stay to be read.

import { each, element, icon, on, words } from "./page.js";
import { shortcut } from "./shortcuts.js";

const LASTS_MS = 10_000;
const LEAVES_MS = 200;
const KEPT = 10;
const STORE = "posthouse-toasts";

const region = () => document.getElementById("toasts");

/**
 * Say what has happened.
 *
 * text: a sentence. undo: a function or a form that takes it back. tone: "bad" for what failed.
 * Returns a function that takes the toast away.
 */
export function toast(text, { undo = null, tone = "", lasts = LASTS_MS } = {}) {
  const said = element("div", { class: `toast ${tone}`.trim(), "data-toast": true, "data-lasts": lasts });
  if (tone === "bad") said.append(icon("warn"));
  said.append(element("span", {}, text));
  if (undo) {
    const button = element("button", { type: "button", "data-undo": true }, icon("undo", true), `${words.undo} `, element("kbd", { "aria-hidden": "true" }, "Z"));
    button.addEventListener("click", () => {
      leave(said);
      if (undo instanceof HTMLFormElement) undo.requestSubmit();
      else undo();
    });
    said.append(button);
  }
  region().append(said);
  show(said);
  return () => leave(said);
}

/** Take the toasts with a way back out of sight, when what they offer is no longer possible. */
export function forgetUndo() {
  for (const said of region().querySelectorAll("[data-toast]:has([data-undo])")) leave(said);
}

const shown = new WeakSet();

function show(said) {
  if (shown.has(said)) return;
  shown.add(said);
  keep(said.querySelector("span")?.textContent ?? "");
  said.append(element("button", { type: "button", class: "x", "aria-label": words.close, "data-leave": true }, icon("x")));
  let left = Number(said.dataset.lasts ?? LASTS_MS);
  let since = 0;
  let timer = 0;
  const run = () => {
    if (timer || said.matches(":hover, :focus-within")) return;
    since = Date.now();
    timer = setTimeout(() => leave(said), left);
  };
  const rest = () => {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    left = Math.max(1500, left - (Date.now() - since));
  };
  said.addEventListener("pointerenter", rest);
  said.addEventListener("focusin", rest);
  said.addEventListener("pointerleave", run);
  said.addEventListener("focusout", () => setTimeout(run));
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : run()));
  run();
}

function leave(said) {
  said.classList.add("leaving");
  setTimeout(() => said.remove(), matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : LEAVES_MS);
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(STORE)) ?? [];
  } catch {
    return [];
  }
}

function keep(text) {
  try {
    sessionStorage.setItem(STORE, JSON.stringify([{ text, at: Date.now() }, ...kept()].slice(0, KEPT)));
  } catch {
    // a browser that stores nothing forgets them with the page
  }
}

function showLast() {
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short" });
  const lines = kept().map(({ text, at }) => element("li", {}, element("span", { class: "n qq" }, clock.format(at)), element("span", {}, text)));
  const title = element("h2", { id: "last-title" }, words.last);
  const close = element("button", { type: "button", class: "btn bare sq s", "aria-label": words.close }, icon("x"));
  const body = lines.length ? element("ul", { class: "lines" }, ...lines) : element("p", { class: "q" }, words.none);
  const dialog = element("dialog", { class: "dialog", "aria-labelledby": "last-title" }, element("header", {}, title, close), element("div", { class: "body" }, body));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

each("[data-toast]", show);
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const node of addedNodes) if (node instanceof HTMLElement && node.matches("[data-toast]")) show(node);
  }
}).observe(region() ?? document.body, { childList: true });

on("click", "[data-leave]", (event, button) => leave(button.closest("[data-toast]")));
on("click", "[data-last-toasts]", showLast);

shortcut("z", words.keyUndo, () => {
  [...region().querySelectorAll(".toast:not(.leaving) [data-undo]")].at(-1)?.click();
});
shortcut("Shift Z", words.keyLast, showLast);


