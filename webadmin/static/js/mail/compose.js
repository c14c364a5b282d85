// Writing a letter: puts together its text, its recipients, its attachments, and how it is saved and
// sent. Without this script the same form works, page by page.

import { fill, icon, on } from "../page.js";
import { toast } from "../toasts.js";
import { attachments } from "./attaching.js";
import { editor } from "./editor.js";
import { peopleOf } from "./people.js";
import { Away, Refused, Saver } from "./saving.js";

const page = document.querySelector("[data-compose]");
const form = document.getElementById("compose");
const words = page.dataset;
const state = page.querySelector("[data-state]");
const signedOut = page.querySelector("[data-signed-out]");
const begun = page.contains(document.activeElement) ? document.activeElement.id : "";
const somebodyElse = page.querySelector("[data-somebody-else]");

const saver = new Saver(form, {
  address: words.compose,
  login: words.login,
  on: {
    saved(answer) {
      history.replaceState(null, "", answer.here);
      text.quotedAt(answer.quote);
      files.show(answer.files);
      page.querySelector('[data-wrongs="whole"]').replaceChildren();
      measure();
      say(fill(words.saved, answer.saved), "check");
    },
    unsaved,
    away(isSomebodyElse) {
      signedOut.hidden = isSomebodyElse;
      somebodyElse.hidden = !isSomebodyElse;
    },
    back() {
      signedOut.hidden = true;
      somebodyElse.hidden = true;
    },
  },
});
const changed = () => saver.changed();
const files = attachments(page, document.getElementById("files"), saver, { words, refused, unsaved });
const text = editor(page, { words, changed, attach: files.attach });
const people = Object.fromEntries(
  ["to", "cc", "bcc"].map((name) => [name, peopleOf(document.getElementById(name), { words, changed, announce })]),
);
measure();

function say(said, sign) {
  if (state.textContent.trim() === said) return;
  const line = Object.assign(document.createElement("span"), { className: "cut", textContent: said });
  state.replaceChildren(icon(sign), line);
  state.classList.toggle("c-warn", sign === "warn");
}

/** Say something to those who hear the page. */
function announce(said) {
  page.querySelector("[data-said]").textContent = said;
}

/** Tell the saver how much it has to carry. */
function measure() {
  saver.octets = [...page.querySelectorAll("[data-size]")].reduce((sum, found) => sum + Number(found.dataset.size), 0);
}

function unsaved(error) {
  if (error instanceof Refused) refused(error.wrongs, { moves: false });
  if (error instanceof Away) state.replaceChildren(); // a note says it
  else say(words.unsaved, "warn");
}

/** Show what is wrong beside its fields; the first of them gets the focus. */
function refused(wrongs, { moves = true } = {}) {
  for (const place of page.querySelectorAll("[data-wrongs]")) {
    const name = place.dataset.wrongs;
    place.innerHTML = wrongs[name] ?? ""; // the server's own template
    document.getElementById(name)?.toggleAttribute("aria-invalid", false);
    if (wrongs[name]) document.getElementById(name)?.setAttribute("aria-invalid", "true");
    if (wrongs[name]) place.closest("[data-line]")?.removeAttribute("hidden");
  }
  for (const each of Object.values(people)) each.mark();
  if (!moves) return;
  const first = [...page.querySelectorAll("[data-wrongs]")].find((place) => place.childElementCount);
  (document.getElementById({ attachments: "file" }[first?.dataset.wrongs] ?? first?.dataset.wrongs) ?? first)?.focus();
  first?.scrollIntoView({ block: "nearest" });
}

// Cc and Bcc stand there once they are asked for, or used.
for (const found of page.querySelectorAll("[data-script]")) found.hidden = false;
for (const line of page.querySelectorAll("[data-optional]")) line.hidden = true;
for (const button of page.querySelectorAll("[data-show]")) {
  button.hidden = !page.querySelector(`[data-line="${button.dataset.show}"][data-optional]`);
}
on("click", "[data-show]", (event, button) => {
  page.querySelector(`[data-line="${button.dataset.show}"]`).hidden = false;
  button.hidden = true;
  document.getElementById(button.dataset.show).focus();
});

for (const name of ["from", "subject", "priority"]) {
  const field = document.getElementById(name) ?? form.elements[name];
  field.addEventListener("input", () => {
    field.removeAttribute("aria-invalid");
    page.querySelector(`[data-wrongs="${name}"]`)?.replaceChildren();
    changed();
  });
}
form.elements.subject.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  text.focus();
});
on("click", "[data-fix]", (event, button) => {
  event.preventDefault();
  people[button.dataset.fix].fix(button.dataset.meant, button.dataset.right);
});

// Buttons do without another page what they do by one; the letter stays here until the server has it.
let isLeaving = false;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.submitter;
  const action = button?.value ?? "save";
  if (isLeaving) return;
  if (!["send", "discard"].includes(action)) {
    changed();
    await saver.save();
    return;
  }
  isLeaving = true;
  if (action === "discard" && saver.isSaved && !form.elements.draft.value) {
    location.assign(page.querySelector("[data-close]").href); // nothing was written
    return;
  }
  button.setAttribute("aria-busy", "true");
  try {
    const { leave } = await saver.post(action);
    saver.done();
    location.assign(leave);
  } catch (error) {
    isLeaving = false;
    button.removeAttribute("aria-busy");
    if (error instanceof Refused) refused(error.wrongs);
    else if (!(error instanceof Away)) toast(words.unsent, { tone: "bad" });
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.metaKey || document.querySelector("dialog:modal")) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector('[value="send"]'));
});

// Escape closes what is open before it closes the page.
document.addEventListener("keydown", (event) => {
  const isOpen = document.querySelector("[popover]:not([popover=manual]):popover-open");
  if (event.key === "Escape" && isOpen) event.stopImmediatePropagation();
}, true);

// Whatever leads away from here waits for what was typed to be saved; if it can't be, nobody leaves.
on("click", "a[href]", async (event, link) => {
  const stays = link.getAttribute("href").startsWith("#");
  const opensElsewhere = stays || event.ctrlKey || event.metaKey || event.shiftKey || link.target === "_blank" || link.closest("[contenteditable]");
  if (event.defaultPrevented || saver.isSaved || opensElsewhere) return;
  event.preventDefault();
  if (await saver.save()) location.assign(link.href);
});
document.addEventListener("submit", async (event) => {
  const other = event.target;
  if (other === form || other.method === "dialog" || saver.isSaved || event.defaultPrevented) return;
  event.preventDefault();
  const { submitter } = event;
  if (await saver.save()) other.requestSubmit(submitter);
});
// A keyboard on the screen takes its part of the page, also where browsers don't say so by themselves.
visualViewport?.addEventListener("resize", () => {
  if (visualViewport.scale === 1) document.documentElement.style.setProperty("--seen", `${visualViewport.height}px`);
});
addEventListener("pageshow", (event) => {
  if (event.persisted && isLeaving) location.reload(); // back after sending: the letter is gone
});

const wrong = page.querySelector("[aria-invalid=true]");
if (wrong) wrong.focus();
else if (begun && begun !== "main") document.getElementById(begun).focus();
else if (page.querySelector("[name=to]").value) text.focus();
else document.getElementById("to").focus();
