// A look that is chosen applies at once; the server keeps it in a cookie as without scripts.

import { on } from "./page.js";

const root = document.documentElement;

on("submit", "form[data-look]", async (event, form) => {
  const button = event.submitter;
  if (button?.name !== "theme") return; // others change what the server writes
  event.preventDefault();
  if (button.value) root.dataset.theme = button.value;
  else delete root.dataset.theme;
  for (const each of form.querySelectorAll("[name=theme]")) {
    const isChosen = each === button;
    each.setAttribute("aria-pressed", String(isChosen));
    const check = each.querySelector(".chosen") ?? form.querySelector(".chosen");
    if (isChosen && check) each.append(check);
  }
  const body = new FormData(form, button);
  const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" }).catch(() => null);
  if (!answer || (!answer.ok && answer.type !== "opaqueredirect")) location.reload();
});
