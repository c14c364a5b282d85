// Menus and the navigation's drawer are popovers of the browser. Here: arrow keys, closing after a
// choice, and places for browsers that can't anchor.

import { isShown, on } from "./page.js";

const LINES = "a[href], button:not([disabled]), label";
const GAP = 4;

const linesOf = (menu) => [...menu.querySelectorAll(LINES)].filter(isShown);
const openerOf = (menu) => document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);

let byKeyboard = false;
document.addEventListener("keydown", () => { byKeyboard = true; }, true);
document.addEventListener("pointerdown", () => { byKeyboard = false; }, true);

on("keydown", ".menu[popover]", (event, menu) => {
  const lines = linesOf(menu);
  const at = lines.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
  if (next === undefined || !lines.length) return;
  event.preventDefault();
  lines[(next + lines.length) % lines.length].focus();
});

on("keydown", "[popovertarget]", (event, opener) => {
  const menu = document.getElementById(opener.getAttribute("popovertarget"));
  if (event.key !== "ArrowDown" || !menu?.matches(".menu")) return;
  event.preventDefault();
  menu.showPopover({ source: opener });
});

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!(menu instanceof HTMLElement) || !menu.matches(".menu[popover]")) return;
  const isOpen = event.newState === "open";
  const opener = openerOf(menu);
  opener?.setAttribute("aria-expanded", String(isOpen));
  if (!isOpen) return;
  if (!CSS.supports("position-area", "block-end")) place(menu, opener);
  if (byKeyboard && !menu.contains(document.activeElement)) linesOf(menu)[0]?.focus();
}, true);

function place(menu, opener) {
  if (!opener) return;
  const from = opener.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const rightToLeft = getComputedStyle(menu).direction === "rtl";
  const atEnd = menu.matches(".from-end") !== rightToLeft;
  const left = atEnd ? from.right - width : from.left;
  const below = from.bottom + GAP + height <= innerHeight && !menu.matches(".above");
  menu.style.position = "fixed";
  menu.style.margin = "0";
  menu.style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
  menu.style.top = `${Math.max(GAP, below ? from.bottom + GAP : from.top - height - GAP)}px`;
}

on("click", ".menu[popover] :is(a, button)", (event, line) => {
  line.closest("[popover]").hidePopover();
});

on("click", ".side:popover-open a", (event, link) => {
  link.closest(".side").hidePopover();
});

matchMedia("(min-width: 48rem)").addEventListener("change", (wide) => {
  if (wide.matches) document.querySelector(".side:popover-open")?.hidePopover();
});
