// Dialogs open and close by `command` and `commandfor`; here for browsers that do not know them, and
// what no browser does: closing beside, opening at once, waiting for a name to be typed.

import { each, on } from "./page.js";

const isKnown = "command" in HTMLButtonElement.prototype;

function obey(event, button) {
  const dialog = document.getElementById(button.getAttribute("commandfor"));
  if (!(dialog instanceof HTMLDialogElement)) return;
  if (button.getAttribute("command") === "show-modal" && !dialog.open) dialog.showModal();
  else if (button.getAttribute("command") === "close") dialog.close();
}

if (!isKnown) on("click", "button[command][commandfor]", obey);

on("click", "dialog[open]", (event, dialog) => {
  if (event.target !== dialog) return;
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  const isInside = event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
  if (!isInside && event.detail > 0 && !dialog.matches("[role=alertdialog]")) dialog.close();
});

each("dialog[data-open]", (dialog) => {
  if (!dialog.open) dialog.showModal();
});

each("input[data-must-be]", (input) => {
  const button = input.form?.querySelector("[type=submit]");
  if (!button) return;
  const check = () => { button.disabled = input.value.trim() !== input.dataset.mustBe; };
  input.addEventListener("input", check);
  check();
});
