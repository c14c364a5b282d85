// Fields: show a password, take over a correction, copy a box, send a form when a choice changes.

import { each, on, words } from "./page.js";
import { toast } from "./toasts.js";

each("[data-reveal], [data-copy]", (button) => { button.hidden = false; });
each("[data-noscript]", (button) => { button.hidden = true; });

on("click", "[data-reveal]", (event, button) => {
  const input = document.getElementById(button.dataset.reveal);
  const isShown = input.type === "text";
  input.type = isShown ? "password" : "text";
  button.setAttribute("aria-pressed", String(!isShown));
});

on("submit", "form", (event, form) => { // a shown password is no text for the browser to remember
  for (const button of form.querySelectorAll("[data-reveal][aria-pressed=true]")) button.click();
});

on("click", "[data-fill]", (event, button) => {
  const input = document.getElementById(button.dataset.fill);
  input.value = button.dataset.value;
  input.removeAttribute("aria-invalid");
  button.closest(".wrong").hidden = true;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.focus();
});

on("click", "[data-copy]", async (event, button) => {
  const from = button.dataset.copy ? document.getElementById(button.dataset.copy) : button.parentElement.querySelector("pre");
  try {
    await navigator.clipboard.writeText(from.value ?? from.textContent);
    toast(words.copied, { lasts: 3000 });
  } catch { // not allowed: it stands selected, ready for the reader's own copy
    getSelection().selectAllChildren(from);
  }
});

on("change", "[data-submit]", (event, input) => {
  input.form?.requestSubmit();
});

each("[data-focus]", (found) => found.focus());
