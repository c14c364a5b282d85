// The save bar of a form: there when something changed, says what, and warns before it is lost.

import { each, fill, words } from "./page.js";

each("[data-savebar]", (bar) => {
  const form = document.getElementById(bar.dataset.savebar);
  if (!form) return;
  const told = bar.querySelector("[data-changes]");
  const discard = bar.querySelector("[type=reset]");
  const otherwise = told.textContent;
  const begin = read(form);
  const isRefused = form.querySelector("[aria-invalid=true]") !== null;
  let isSending = false;

  const compare = () => {
    const now = read(form);
    const changed = [...new Set([...begin.keys(), ...now.keys()])].filter((name) => begin.get(name) !== now.get(name));
    bar.hidden = !changed.length && !isRefused;
    discard.hidden = !changed.length;
    if (!changed.length) {
      told.textContent = otherwise;
      return;
    }
    const names = changed.map((name) => label(form, name)).filter(Boolean);
    const count = changed.length === 1 ? words.oneChange : fill(words.changes, changed.length);
    told.replaceChildren(Object.assign(document.createElement("b"), { textContent: count }), ` ${names.join(", ")}`);
  };

  form.addEventListener("input", compare);
  form.addEventListener("change", compare);
  form.addEventListener("reset", () => setTimeout(compare));
  form.addEventListener("submit", () => { isSending = true; });
  addEventListener("beforeunload", (event) => {
    if (!isSending && !bar.hidden && !isRefused && form.isConnected) event.preventDefault();
  });
  compare();
});

function read(form) {
  const found = new Map();
  for (const [name, value] of new FormData(form)) {
    if (name !== "csrf") found.set(name, [found.get(name), value instanceof File ? value.name : value].filter((each) => each !== undefined).join("\n"));
  }
  return found;
}

function label(form, name) {
  const control = form.elements[name];
  const first = control instanceof RadioNodeList ? control[0] : control;
  const legend = first?.type === "radio" ? first.closest("fieldset")?.querySelector("legend") : null;
  const words = (legend ?? first?.labels?.[0])?.cloneNode(true);
  words?.querySelectorAll(".help, .opt").forEach((each) => each.remove());
  return words?.textContent.trim() ?? "";
}
