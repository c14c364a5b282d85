// Recipients as chips: what is typed becomes one at a comma, at Enter, and when the field is left.

import { element, fill, icon } from "../page.js";

const ADDRESS = /^[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+$/;
const SEPARATORS = /[,;\n]+(?=(?:[^"]*"[^"]*")*[^"]*$)/; // not inside of a quoted name

/** Have the field of a form shown as chips; its value stays what is sent. */
export function peopleOf(field, words, changed) {
  const cell = field.parentElement;
  const typed = element("input", { class: "in", id: field.id, autocomplete: "off", autocapitalize: "none", spellcheck: "false", inputmode: "email" });
  for (const name of ["aria-invalid", "aria-describedby"]) {
    if (field.hasAttribute(name)) typed.setAttribute(name, field.getAttribute(name));
  }
  field.removeAttribute("id");
  field.type = "hidden";
  cell.append(typed);

  const chips = () => [...cell.querySelectorAll(".chip")];

  function write() {
    const rest = typed.value.trim();
    field.value = [...chips().map((chip) => chip.dataset.value), ...(rest ? [rest] : [])].join(", ");
    changed();
  }

  function add(value) {
    const address = (value.match(/<([^>]*)>/)?.[1] ?? value).trim();
    const name = value.replace(/<[^>]*>/, "").replaceAll('"', "").trim() || address;
    const isRight = ADDRESS.test(address);
    const remove = element("button", { type: "button", class: "x", "aria-label": fill(words.remove, name) }, icon("x"));
    const chip = element("span", { class: `chip person${isRight ? "" : " bad"}`, title: address, "data-value": value }, ...(isRight ? [] : [icon("warn")]), element("span", { class: "cut", dir: "auto" }, name), remove);
    remove.addEventListener("click", () => {
      chip.remove();
      write();
      typed.focus();
    });
    chip.addEventListener("dblclick", () => {
      chip.remove();
      typed.value = value;
      write();
      typed.focus();
    });
    typed.before(chip);
  }

  function takeAll(text) {
    for (const each of text.split(SEPARATORS)) if (each.trim()) add(each.trim());
  }

  function commit() {
    const text = typed.value;
    typed.value = "";
    if (text.trim()) takeAll(text);
    write();
  }

  typed.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const isDone = ["Enter", ",", ";"].includes(event.key) && typed.value.trim();
    if (isDone && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      commit();
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault(); // an empty field sends nothing
    } else if (event.key === "Backspace" && !typed.value) {
      const last = chips().at(-1);
      if (!last) return;
      event.preventDefault();
      typed.value = last.dataset.value;
      last.remove();
      write();
    }
  });
  typed.addEventListener("input", write);
  typed.addEventListener("blur", commit);
  typed.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!SEPARATORS.test(text)) return;
    event.preventDefault();
    takeAll(typed.value + text);
    typed.value = "";
    write();
  });

  const given = field.value;
  field.value = "";
  for (const each of given.split(SEPARATORS)) if (each.trim()) add(each.trim());
  field.value = given;
}
