// Tooltips that keyboards reach too: the `title` of buttons and links, shown on hover and focus.

import { on } from "./page.js";

const WAITS_MS = 400;
const GAP = 6;
const OWNERS = ":is(button, a, input, .chip)[title], [data-tip]";

let tip = null;
let owner = null;
let timer = 0;

function text(found) {
  if (found.title) {
    found.dataset.tip = found.title;
    found.removeAttribute("title");
  }
  return found.dataset.tip;
}

function show(found) {
  hide();
  const said = text(found);
  if (!said || found.getAttribute("aria-expanded") === "true") return;
  owner = found;
  tip ??= Object.assign(document.createElement("div"), { className: "tip", popover: "manual" });
  tip.setAttribute("aria-hidden", "true"); // its words are the owner's name or description already
  const [, words, key] = /^(.*?)(?: \(([^()]{1,12})\))?$/.exec(said);
  tip.replaceChildren(words);
  if (key) tip.append(Object.assign(document.createElement("kbd"), { textContent: key }));
  document.body.append(tip);
  tip.showPopover();
  const from = found.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const fits = from.bottom + GAP + height <= innerHeight;
  tip.style.left = `${Math.max(GAP, Math.min(from.left + (from.width - width) / 2, innerWidth - width - GAP))}px`;
  tip.style.top = `${fits ? from.bottom + GAP : from.top - height - GAP}px`;
}

function hide() {
  clearTimeout(timer);
  owner = null;
  tip?.remove();
}

on("pointerover", OWNERS, (event, found) => {
  if (event.pointerType !== "mouse" || found === owner) return;
  text(found);
  clearTimeout(timer);
  timer = setTimeout(() => found.isConnected && found.matches(":hover") && show(found), WAITS_MS);
});
on("pointerout", OWNERS, (event, found) => {
  if (!found.contains(event.relatedTarget)) hide();
});
on("focusin", OWNERS, (event, found) => {
  if (event.target.matches(":focus-visible") && !event.target.matches("input")) show(found);
});
on("focusout", OWNERS, hide);
document.addEventListener("click", hide, true);
document.addEventListener("scroll", hide, true);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
