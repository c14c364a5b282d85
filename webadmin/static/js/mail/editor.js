// The text of a letter: rich by squire, or plain; whichever it is, the form carries it.

import DOMPurify from "../../vendor/purify.mjs";
import Squire from "../../vendor/squire.mjs";
import { element } from "../page.js";

const TAGS = ["a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "hr", "i", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"];
const PURIFY = { ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ["href", "dir"], RETURN_DOM_FRAGMENT: true, FORCE_BODY: true };
const MARKS = { bold: "B", italic: "I", underline: "U", list: "UL", numbers: "OL", quote: "BLOCKQUOTE", link: "A" };

/** Set the editor up. changed: called when the text is another one. */
export function editor(page, form, changed) {
  const text = page.querySelector("[data-text]");
  const html = page.querySelector("[data-html]");
  const format = page.querySelector("[data-format]");
  const root = page.querySelector("[data-rich]");
  const tools = page.querySelector("[data-tools]");
  const toPlain = tools.querySelector('[data-command="plain"]');

  const squire = new Squire(root, {
    blockTag: "DIV",
    sanitizeToDOMFragment: (markup) => document.importNode(DOMPurify.sanitize(markup, PURIFY), true),
    addLinks: true,
  });

  const commands = {
    bold: () => (squire.hasFormat("B") ? squire.removeBold() : squire.bold()),
    italic: () => (squire.hasFormat("I") ? squire.removeItalic() : squire.italic()),
    underline: () => (squire.hasFormat("U") ? squire.removeUnderline() : squire.underline()),
    list: () => (squire.hasFormat("UL") ? squire.removeList() : squire.makeUnorderedList()),
    numbers: () => (squire.hasFormat("OL") ? squire.removeList() : squire.makeOrderedList()),
    quote: () => (squire.hasFormat("BLOCKQUOTE") ? squire.decreaseQuoteLevel() : squire.increaseQuoteLevel()),
    link: () => (squire.hasFormat("A") ? squire.removeLink() : askForLink()),
    clear: () => squire.removeAllFormatting(),
  };

  function askForLink() {
    const dialog = document.getElementById("link");
    const field = document.getElementById("link-href");
    const chosen = squire.getSelection();
    field.value = "";
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        squire.setSelection(chosen);
        const address = field.value.trim();
        if (dialog.returnValue === "set" && address) squire.makeLink(/^[a-z]+:/i.test(address) ? address : `https://${address}`);
        squire.focus();
      },
      { once: true },
    );
    dialog.showModal();
  }

  function take() {
    html.value = squire.getHTML();
  }

  function show(isRich) {
    format.value = isRich ? "html" : "plain";
    root.hidden = !isRich;
    text.hidden = isRich;
    for (const button of tools.querySelectorAll("[data-command]")) {
      if (button !== toPlain) button.hidden = !isRich;
    }
    toPlain.setAttribute("aria-pressed", String(!isRich));
  }

  /** Plain text as mark-up: each line a block, quotes as quotes. */
  function marked(plain) {
    const made = element("div");
    let quote = null;
    for (const line of plain.split("\n")) {
      const isQuoted = line.startsWith(">");
      if (isQuoted && !quote) made.append((quote = element("blockquote")));
      if (!isQuoted) quote = null;
      const words = isQuoted ? line.replace(/^> ?/, "") : line;
      (quote ?? made).append(element("div", {}, words || element("br")));
    }
    return made.innerHTML;
  }

  tools.addEventListener("mousedown", (event) => event.preventDefault()); // the selection stays
  tools.addEventListener("click", (event) => {
    const command = event.target.closest("[data-command]")?.dataset.command;
    if (!command) return;
    if (command === "plain") {
      const wasRich = format.value === "html";
      if (wasRich) text.value = root.innerText;
      else squire.setHTML(marked(text.value));
      show(!wasRich);
      (wasRich ? text : squire).focus();
    } else {
      commands[command]();
    }
    take();
    changed();
  });
  squire.addEventListener("pathChange", () => {
    for (const [command, tag] of Object.entries(MARKS)) {
      tools.querySelector(`[data-command="${command}"]`).setAttribute("aria-pressed", String(squire.hasFormat(tag)));
    }
  });
  squire.addEventListener("input", () => {
    take();
    changed();
  });

  tools.hidden = false;
  squire.setHTML(html.value || marked(text.value));
  squire.moveCursorToStart();
  root.blur();
  const isPlainDraft = form.elements.draft.value && !html.value;
  if (!isPlainDraft) take();
  show(!isPlainDraft);
}
