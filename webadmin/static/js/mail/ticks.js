// Ticking messages: one, a range with Shift, all shown, the whole folder; the bar says how many.

import { fill, on } from "../page.js";

let last = null;

const list = () => document.getElementById("list");
export const boxes = () => [...list().querySelectorAll(".msg .lead input")];
export const ticked = () => boxes().filter((box) => box.checked);

/** Say in the bar what is ticked. */
export function tell() {
  const found = boxes();
  const count = found.filter((box) => box.checked).length;
  const all = document.querySelector("[data-all-shown]");
  const whole = document.getElementById("whole");
  const said = document.getElementById("ticked");
  if (!all || !said) return;
  all.checked = count > 0 && count === found.length;
  all.indeterminate = count > 0 && count < found.length;
  all.disabled = !found.length;
  const isWhole = whole?.querySelector("input").checked && all.checked;
  if (whole) {
    whole.hidden = !all.checked;
    whole.classList.toggle("on", Boolean(isWhole));
    if (!isWhole) whole.querySelector("input").checked = false;
  }
  said.hidden = Boolean(isWhole);
  said.textContent = fill(count === 1 ? said.dataset.one : said.dataset.many, count.toLocaleString(document.documentElement.lang));
  if (count) list().classList.add("picking");
}

/** Tick nothing. */
export function clearTicks() {
  for (const box of ticked()) box.checked = false;
  list().classList.remove("picking");
  tell();
}

function range(to, checked) {
  const found = boxes();
  const [from, until] = [found.indexOf(last), found.indexOf(to)].sort((one, other) => one - other);
  for (const box of found.slice(Math.max(from, 0), until + 1)) box.checked = checked;
}

/** Begin to watch. */
export function watchTicks() {
  on("click", ".msg .lead", (event, lead) => {
    const box = lead.querySelector("input");
    if (event.shiftKey && event.target !== box) { // browsers don't pass Shift on from a label
      event.preventDefault();
      box.checked = !box.checked;
    } else if (event.target !== box) {
      return; // the box is clicked next
    }
    if (event.shiftKey && last?.isConnected) range(box, box.checked);
    last = box;
    tell();
    if (!ticked().length) list().classList.remove("picking");
  });
  on("click", ".msg a.open", (event, link) => {
    if (!event.shiftKey) return;
    event.preventDefault();
    const box = link.closest(".msg").querySelector(".lead input");
    last ??= document.querySelector(".msg.on .lead input") ?? box;
    range(box, true);
    last = box;
    tell();
  }, true);
  on("change", "[data-all-shown]", (event, all) => {
    for (const box of boxes()) box.checked = all.checked;
    if (all.checked) tell();
    else clearTicks();
  });
  on("change", "#whole input", tell);
  on("click", "#pick", () => list().classList.toggle("picking"));
  on("click", "[data-clear-ticks]", clearTicks);
  on("contextmenu", ".msg", (event, row) => { // a long press
    if (event.pointerType === "mouse" || !matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    const box = row.querySelector(".lead input");
    box.checked = !box.checked;
    last = box;
    tell();
  });
  on("click", ".picking .msg a.open", (event, link) => { // while picking by touch, a tap ticks
    if (!matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    event.stopPropagation();
    link.closest(".msg").querySelector(".lead input").click();
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && ticked().length && !document.querySelector(":popover-open, dialog:modal")) clearTicks();
  });
  document.addEventListener("htmx:after:swap", tell);
  tell();
}
