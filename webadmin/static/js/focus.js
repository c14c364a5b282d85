// Where the focus goes when what had it is gone.

import { isShown } from "./page.js";

const FOCUSABLE = "a[href], button:not([disabled]), input:not([disabled], [type=hidden]), select, textarea, [tabindex]";

/** Before an element goes: move the focus it holds to the next one of its kind, or the one before. */
export function focusAfter(leaving) {
  if (!leaving.contains(document.activeElement)) return;
  const kind = leaving.className.split(" ")[0];
  const others = [...leaving.parentElement.children].filter((each) => each === leaving || (each.className.split(" ")[0] === kind && isShown(each)));
  const at = others.indexOf(leaving);
  const next = others[at + 1] ?? others[at - 1] ?? leaving.closest("[tabindex]");
  (next?.matches(FOCUSABLE) ? next : next?.querySelector(FOCUSABLE))?.focus();
}

let held = null;

document.addEventListener("htmx:before:swap", () => {
  const active = document.activeElement;
  held = active && active !== document.body ? active : null;
});

document.addEventListener("htmx:after:swap", (event) => {
  const isLost = held && !held.isConnected && document.activeElement === document.body;
  const asked = document.querySelector("[data-focus]:not([data-focused])");
  if (asked) {
    asked.dataset.focused = "";
    asked.focus();
  } else if (isLost) {
    const target = event.detail?.ctx?.target;
    const place = target?.isConnected ? target : document.getElementById("main");
    const first = place?.matches(FOCUSABLE) ? place : place?.querySelector(FOCUSABLE);
    first?.focus({ preventScroll: true });
  }
  held = null;
});
