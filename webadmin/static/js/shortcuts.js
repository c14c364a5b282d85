// Keys: a registry, the keys that elements ask for by data-key, and the list of all by "?".

import { element, icon, isShown, isWriting, on, words } from "./page.js";

const SEQUENCE_MS = 1200;
const OFF = "posthouse-keys-off"; // WCAG 2.2, 2.1.4: keys of one character can be turned off
const MODIFIERS = new Set(["Ctrl", "Alt", "Shift", "Meta"]);

const registered = [];
let typed = [];
let typedAt = 0;

/**
 * Have keys do something.
 *
 * keys: as they are shown: "c", "#", "Shift I", "Ctrl Enter", or one after the other, "g i".
 * label: what they do, for the list; without one they are not listed. group: the heading there.
 */
export function shortcut(keys, label, action, { group = "" } = {}) {
  registered.push({ keys, label, action, group });
}

/** Whether keys of one character work. */
export function areKeysOn() {
  try {
    return localStorage.getItem(OFF) !== "yes";
  } catch {
    return true;
  }
}

function strokes(keys) {
  const found = [];
  let held = [];
  for (const word of keys.split(" ")) {
    if (MODIFIERS.has(word)) held.push(word);
    else {
      found.push([...held, word.length === 1 ? word.toLowerCase() : word].join(" "));
      held = [];
    }
  }
  return found;
}

function stroke(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isLetter = event.key.length > 1 || event.key.toLowerCase() !== event.key.toUpperCase();
  const held = [];
  if (event.ctrlKey) held.push("Ctrl");
  if (event.altKey) held.push("Alt");
  if (event.metaKey) held.push("Meta");
  if (event.shiftKey && isLetter) held.push("Shift");
  return [...held, key].join(" ");
}

function candidates() {
  const scope = document.querySelector("dialog:modal") ?? document;
  const asked = [...scope.querySelectorAll("[data-key]")]
    .filter((found) => isShown(found) || found.closest("[popover]"))
    .map((found) => ({ keys: found.dataset.key, action: () => press(found) }));
  return scope === document ? [...asked, ...registered] : asked;
}

function press(found) {
  if (found.disabled || found.getAttribute("aria-disabled") === "true") return;
  if (found.matches("input:not([type=checkbox], [type=radio]), textarea, select")) {
    found.focus();
    found.select?.();
  } else found.click();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || MODIFIERS.has(event.key) || event.key === "Control") return;
  const pressed = stroke(event);
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isPlain && (isWriting(event.target) || !areKeysOn())) return;
  if (isPlain && [" ", "Enter", "Tab"].includes(event.key)) return;
  if (Date.now() - typedAt > SEQUENCE_MS) typed = [];
  typedAt = Date.now();
  typed = [...typed, pressed].slice(-2);
  const found = candidates().find(({ keys }) => {
    const wanted = strokes(keys);
    return wanted.every((each, at) => each === typed.at(at - wanted.length));
  });
  if (!found) return;
  event.preventDefault();
  typed = [];
  found.action(event);
});

function lines(entries) {
  return entries.map(([label, keys]) => element("div", {}, element("span", {}, label), element("span", { class: "nobr" }, ...keys.split(" ").flatMap((key) => [element("kbd", {}, key.length === 1 ? key.toUpperCase() : key), " "]))));
}

function showKeys() {
  const asked = [...document.querySelectorAll("[data-key]")]
    .filter((found) => isShown(found) || found.closest("[popover]"))
    .map((found) => [found.dataset.keyLabel || found.getAttribute("aria-label") || found.textContent.trim(), found.dataset.key]);
  const groups = new Map([[words.keysPage, new Map(asked)]]);
  for (const { keys, label, group } of registered) {
    if (!label) continue;
    const heading = group || words.keys;
    if (!groups.has(heading)) groups.set(heading, new Map());
    groups.get(heading).set(label, keys);
  }
  const list = element("div", { class: "keys" });
  for (const [heading, entries] of groups) if (entries.size) list.append(element("h3", {}, heading), ...lines([...entries]));
  const close = element("button", { type: "button", class: "btn bare sq s", "aria-label": words.close }, icon("x"));
  const box = element("input", { type: "checkbox", class: "switch", role: "switch", checked: areKeysOn() });
  box.addEventListener("change", () => localStorage.setItem(OFF, box.checked ? "no" : "yes"));
  const choice = element("label", { class: "check" }, box, element("span", {}, words.keysOn));
  const dialog = element("dialog", { class: "dialog l", "aria-labelledby": "keys-title" }, element("header", {}, element("h2", { id: "keys-title" }, words.keys), close), element("div", { class: "body" }, list, choice));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

shortcut("?", words.keyHelp, showKeys);
on("click", "[data-keys-dialog]", showKeys);
