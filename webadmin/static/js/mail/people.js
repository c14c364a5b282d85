// Recipients as chips: what is typed becomes one at a comma, at Enter, and when the field is left.
// The field itself stays what is sent. Chips are one stop of the Tab key; arrows go along them,
// Delete takes one away, Enter changes it.

import { element, fill, icon } from "../page.js";

const ADDRESS = /^[^\s@<>,;"]+@[^\s@<>,;"]+\.[^\s@<>,;"]+$/;
const SEPARATORS = /[,;\n]+(?=(?:[^"]*"[^"]*")*[^"]*$)/; // not inside of a quoted name
const LEFT = getComputedStyle(document.documentElement).direction === "rtl" ? "ArrowRight" : "ArrowLeft";
const RIGHT = LEFT === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";

/** Split a list of recipients; an address with a comma for a dot stays together. */
export function split(text) {
  const found = [];
  for (const piece of text.split(SEPARATORS)) {
    const each = piece.trim();
    if (!each) continue;
    const before = found.at(-1) ?? "";
    const goesOn = /^[^\s@<>"]+@[^\s@<>".,]+$/.test(before) && /^[^\s@<>"]+$/.test(each);
    if (goesOn) found[found.length - 1] = `${before},${each}`;
    else found.push(each);
  }
  return found;
}

/** What is wrong with a recipient, and what would be right; null for nothing. */
export function judge(value, words) {
  const address = (value.match(/<([^>]*)>?/)?.[1] ?? value).trim();
  if (ADDRESS.test(address)) return null;
  if (/^[^\s@]+@[^\s@,]+,[^\s@,]+$/.test(address)) return { text: fill(words.comma, address), meant: address, right: address.replace(",", ".") };
  if (!address.includes("@")) return { text: fill(words.none, address), meant: address, right: "" };
  return { text: fill(words.bad, address), meant: address, right: "" };
}

/**
 * Have the field of a form shown as chips.
 *
 * words: what is said. changed: called when there are others. announce: says something to those who
 * hear the page. Returns how to correct an address in it.
 */
export function peopleOf(field, { words, changed, announce }) {
  const cell = field.parentElement;
  const name = field.name;
  const wrongs = document.querySelector(`[data-wrongs="${name}"]`);
  const isBegun = document.activeElement === field; // somebody was quicker than this script
  const label = document.querySelector(`label[for="${field.id}"]`).textContent;
  const typed = element("input", { class: "in", id: field.id, autocomplete: "off", autocapitalize: "none", spellcheck: "false", inputmode: "email", "aria-describedby": field.getAttribute("aria-describedby") });
  if (field.hasAttribute("aria-invalid")) typed.setAttribute("aria-invalid", "true");
  for (const attribute of ["id", "aria-invalid", "aria-describedby", "autofocus"]) field.removeAttribute(attribute);
  field.type = "hidden";
  const list = element("span", { class: "people", role: "list", "aria-label": fill(words.people, label), hidden: true });
  cell.append(list, typed);

  const chips = () => [...list.children];
  const buttons = () => chips().map((chip) => chip.querySelector(".x"));

  function write() {
    const rest = typed.value.trim();
    const value = [...chips().map((chip) => chip.dataset.value), ...(rest ? [rest] : [])].join(", ");
    list.hidden = !list.children.length;
    for (const [at, button] of buttons().entries()) button.tabIndex = at === list.children.length - 1 ? 0 : -1;
    if (field.value === value) return;
    field.value = value;
    changed();
  }

  /** Say what is wrong with the first chip that is, below the field. */
  function tell() {
    const wrong = chips().map((chip) => judge(chip.dataset.value, words)).find(Boolean);
    wrongs.replaceChildren();
    typed.toggleAttribute("aria-invalid", Boolean(wrong));
    if (!wrong) return;
    typed.setAttribute("aria-invalid", "true");
    const said = element("span", {}, wrong.text);
    if (wrong.right) said.append(" ", element("button", { type: "button", class: "linkish", "data-fix": name, "data-meant": wrong.meant, "data-right": wrong.right }, fill(words.use, wrong.right)));
    wrongs.append(element("p", { class: "wrong" }, icon("error"), said));
  }

  function chipOf(value) {
    const address = (value.match(/<([^>]*)>?/)?.[1] ?? value).trim();
    const called = value.replace(/<[^>]*>?/, "").replaceAll('"', "").trim() || address;
    const isRight = !judge(value, words);
    const remove = element("button", { type: "button", class: "x", tabindex: "-1", "aria-label": fill(words.remove, called) }, icon("x"));
    const face = isRight ? element("span", { class: "face s", "aria-hidden": "true" }, initials(called)) : icon("warn");
    const chip = element("span", { class: `chip person${isRight ? "" : " bad"}`, role: "listitem", title: address, "data-value": value }, face, element("span", { class: "cut", dir: "auto" }, called), remove);
    remove.addEventListener("click", () => take(chip));
    remove.addEventListener("keydown", (event) => go(event, chip));
    chip.addEventListener("dblclick", () => change(chip));
    return chip;
  }

  function add(text) {
    const made = split(text).map(chipOf);
    list.append(...made);
    return made.map((chip) => chip.querySelector(".cut").textContent);
  }

  function take(chip) {
    const next = chip.nextElementSibling ?? chip.previousElementSibling;
    chip.remove();
    write();
    tell();
    (next?.querySelector(".x") ?? typed).focus();
  }

  /** Make a chip text again. */
  function change(chip) {
    commit();
    typed.value = chip.dataset.value;
    chip.remove();
    write();
    tell();
    typed.focus();
  }

  function go(event, chip) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { [LEFT]: chip.previousElementSibling?.querySelector(".x"), [RIGHT]: chip.nextElementSibling?.querySelector(".x") ?? typed, Home: buttons()[0], End: buttons().at(-1) }[event.key];
    if (to) to.focus();
    else if (["Delete", "Backspace"].includes(event.key)) take(chip);
    else if (event.key === "Enter") change(chip);
    else return;
    event.preventDefault();
  }

  function commit(text = typed.value) {
    typed.value = "";
    if (text.trim()) announce(fill(words.add, add(text).join(", ")));
    write();
    tell();
  }

  typed.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const isAtStart = typed.selectionStart === 0 && typed.selectionEnd === 0;
    // A comma right after "@quay" is a dot more likely than an end; it is seen when the field is left.
    const isOpen = event.key === "," && (/@[^\s.<>]*$/.test(typed.value) || (typed.value.match(/"/g) ?? []).length % 2);
    if (event.key === "Enter" || ([",", ";"].includes(event.key) && typed.value.trim() && !isOpen)) commit();
    else if (event.key === "Backspace" && isAtStart && list.lastElementChild) change(list.lastElementChild);
    else if (event.key === LEFT && isAtStart && list.lastElementChild) buttons().at(-1).focus();
    else return;
    event.preventDefault();
  });
  typed.addEventListener("input", write);
  typed.addEventListener("blur", () => typed.value.trim() && commit());
  typed.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (split(text).length < 2) return;
    event.preventDefault();
    commit(typed.value + text); // a field of one line would lose its line ends
  });
  cell.addEventListener("click", (event) => {
    if (event.target === cell || event.target === list) typed.focus();
  });

  if (isBegun) typed.value = field.value;
  else add(field.value);
  list.hidden = !list.children.length;
  buttons().at(-1)?.setAttribute("tabindex", "0");

  const people = {
    /** Mark the recipients that the server has refused. */
    mark() {
      const refused = [...wrongs.querySelectorAll("[data-value]")].map((each) => bare(each.dataset.value));
      for (const chip of chips()) {
        if (!refused.some((value) => bare(chip.dataset.value).includes(value))) continue;
        chip.classList.add("bad");
        chip.firstElementChild.replaceWith(icon("warn"));
      }
    },
    /** Put an address right. */
    fix(meant, right) {
      const chip = chips().find((each) => bare(each.dataset.value).includes(bare(meant)));
      if (chip) chip.replaceWith(chipOf(chip.dataset.value.includes(meant) ? chip.dataset.value.replace(meant, right) : right));
      write();
      tell();
      typed.focus();
    },
  };
  people.mark();
  return people;
}

const bare = (value) => value.replaceAll(/\s/g, "").toLowerCase();

function initials(name) {
  const words = name.replace(/@.*/, "").split(/[\s._-]+/).filter(Boolean);
  return [words[0], words.length > 1 ? words.at(-1) : words[0]?.slice(1)].map((word) => word?.slice(0, 1) ?? "").join("");
}
