// Ticking rows of a table: all of a page, a range with Shift, all there are; the bar says how many.

import { each, fill, on } from "./page.js";

let last = null;

each("form[data-bulk]", (form) => {
  const bar = form.querySelector("[data-bulk-bar]");
  bar.hidden = true;
  for (const found of bar.querySelectorAll("[data-all], [data-clear]")) found.hidden = false;
  tell(form);
  form.addEventListener("reset", () => setTimeout(() => tell(form)));
});

on("click", "form[data-bulk] [data-pick]", (event, box) => {
  const boxes = picks(box.form);
  if (event.shiftKey && last && boxes.includes(last)) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((one, other) => one - other);
    for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
  }
  last = box;
});

on("change", "form[data-bulk] [data-pick]", (event, box) => {
  all(box.form, false);
  tell(box.form);
});

on("change", "form[data-bulk] [data-pick-all]", (event, head) => {
  for (const box of picks(head.form)) box.checked = head.checked;
  all(head.form, false);
  tell(head.form);
});

on("click", "form[data-bulk] [data-all]", (event, button) => {
  for (const box of picks(button.form)) box.checked = true;
  all(button.form, true);
  tell(button.form);
});

on("click", "form[data-bulk] [data-clear]", (event, button) => {
  for (const box of picks(button.form)) box.checked = false;
  all(button.form, false);
  tell(button.form);
  button.form.querySelector("[data-pick-all]")?.focus();
});

function picks(form) {
  return [...form.elements].filter((found) => found.matches("[data-pick]"));
}

function all(form, isAll) {
  const field = form.querySelector("[data-all-field]");
  if (field) field.disabled = !isAll;
}

function tell(form) {
  const boxes = picks(form);
  const count = boxes.filter((box) => box.checked).length;
  const bar = form.querySelector("[data-bulk-bar]");
  const head = form.querySelector("[data-pick-all]");
  const said = bar.querySelector("[data-picked]");
  const offer = bar.querySelector("[data-all]");
  const isAll = form.querySelector("[data-all-field]")?.disabled === false;
  bar.hidden = count === 0;
  const language = document.documentElement.lang;
  const number = isAll ? offer.textContent.match(/[\d.,\s\u202f\u00a0]*\d/)?.[0].trim() : count.toLocaleString(language);
  said.textContent = fill(said.dataset.picked, number);
  if (offer) offer.hidden = isAll;
  if (head) {
    head.checked = count > 0 && count === boxes.length;
    head.indeterminate = count > 0 && count < boxes.length;
  }
}
