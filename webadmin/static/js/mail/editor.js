// The text of a letter: rich by squire, or plain; whichever it is, the form carries it. A rich letter
// has its quotation apart, in a frame, until somebody wants to change it.

import DOMPurify from "../../vendor/purify.mjs";
import Squire from "../../vendor/squire.mjs";
import { toast } from "../toasts.js";
import { asMarkup, asText } from "./plain.js";
import { quotation } from "./quotation.js";

const TAGS = ["a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "hr", "i", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"];
const PURIFY = { ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ["href", "dir"], ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i, RETURN_DOM_FRAGMENT: true, FORCE_BODY: true };
const MARKS = { bold: "B", italic: "I", underline: "U", list: "UL", numbers: "OL", quote: "BLOCKQUOTE", link: "A" };
const WHOLE = /<!--[\s\S]*?-->|<(style|script|title)\b[\s\S]*?<\/\1\s*>/gi;
const TAG = /<[a-z](?:"[^"]*"|'[^']*'|[^"'>])*>/gi;
const NOISY = /[\s/"'](?:style|on[a-z]+)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]*)/gi;
// A space at which browsers hold on while somebody types, where an ordinary one does.
const HELD_SPACE = /(?<=[^\s>;])&nbsp;(?=[^\s&<]|<\/?(?:a|b|code|em|i|s|span|strong|u)\b)/g;

/** Purify mark-up that was pasted or comes from a draft. */
function purified(markup) {
  // Parsing alone would have the browser complain of styles, which our policy forbids; see security.py.
  const quiet = markup.replace(WHOLE, "").replace(TAG, (tag) => tag.replace(NOISY, " "));
  return document.importNode(DOMPurify.sanitize(quiet, PURIFY), true);
}

/**
 * Set the editor up.
 *
 * changed: called when the text is another one. attach: takes files that were pasted. Returns how to
 * bring the cursor into the text, and how to say where the quotation is now.
 */
export function editor(page, { words, changed, attach }) {
  const find = (name) => page.querySelector(`[data-${name}]`);
  const [text, html, format, root, tools] = ["text", "html", "format", "rich-text", "tools"].map(find);
  const quote = quotation(page, { taken: insertQuote, changed, words });
  const squire = new Squire(root, { blockTag: "DIV", sanitizeToDOMFragment: purified, addLinks: true });
  const isRich = () => format.value === "html";
  let written = "";

  const commands = {
    bold: () => (squire.hasFormat("B") ? squire.removeBold() : squire.bold()),
    italic: () => (squire.hasFormat("I") ? squire.removeItalic() : squire.italic()),
    underline: () => (squire.hasFormat("U") ? squire.removeUnderline() : squire.underline()),
    list: () => (squire.hasFormat("UL") ? squire.removeList() : squire.makeUnorderedList()),
    numbers: () => (squire.hasFormat("OL") ? squire.removeList() : squire.makeOrderedList()),
    quote: () => (squire.hasFormat("BLOCKQUOTE") ? squire.decreaseQuoteLevel() : squire.increaseQuoteLevel()),
    link: () => askForLink(squire),
    clear: () => squire.removeAllFormatting(),
    plain: () => (isRich() ? makePlain() : makeRich()),
  };

  /** Take over what the editor holds. */
  function take() {
    const now = squire.getHTML().replace(HELD_SPACE, " ");
    html.value = now === "<div><br></div>" ? "" : now;
    if (now === written) return;
    written = now;
    changed();
  }

  function show(rich) {
    format.value = rich ? "html" : "plain";
    root.hidden = !rich;
    text.hidden = rich;
    quote.show(rich);
    for (const button of tools.querySelectorAll("[data-command], .sep")) button.hidden = !rich && button.dataset.command !== "plain";
    const plain = tools.querySelector('[data-command="plain"]');
    plain.setAttribute("aria-pressed", String(!rich));
    const stop = rich ? tools.querySelector("[data-command]") : plain;
    for (const button of tools.querySelectorAll("[data-command]")) button.tabIndex = button === stop ? 0 : -1;
  }

  function makePlain() {
    const before = { html: html.value, quote: quote.html };
    const quoted = quote.text;
    text.value = asText(root) + (quoted ? `\n\n${quoted}` : "");
    show(false);
    changed();
    text.setSelectionRange(0, 0);
    text.focus();
    toast(words.madePlain, {
      undo: () => {
        quote.html = before.quote;
        squire.setHTML(before.html);
        show(true);
        take();
        changed();
        squire.focus();
      },
    });
  }

  function makeRich() {
    quote.html = ""; // it is in the text
    squire.setHTML(asMarkup(text.value));
    squire.moveCursorToStart();
    show(true);
    take();
    changed();
    squire.focus();
  }

  function insertQuote(markup) {
    const before = squire.getHTML();
    squire.setHTML(`${before}<div><br></div>${markup}`);
    take();
    squire.moveCursorToStart();
    squire.focus();
    return () => {
      squire.setHTML(before);
      take();
    };
  }

  tools.addEventListener("mousedown", (event) => event.preventDefault()); // the selection stays
  tools.addEventListener("click", (event) => {
    const command = event.target.closest("[data-command]")?.dataset.command;
    if (!command) return;
    commands[command]();
    if (command !== "plain" && command !== "link") {
      take();
      squire.focus();
    }
  });
  walkable(tools);
  squire.addEventListener("pathChange", () => {
    for (const [command, tag] of Object.entries(MARKS)) {
      tools.querySelector(`[data-command="${command}"]`).setAttribute("aria-pressed", String(squire.hasFormat(tag)));
    }
  });
  squire.addEventListener("input", take);
  squire.addEventListener("pasteImage", (event) => attach(event.detail.clipboardData.files));
  text.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files ?? [];
    if (!files.length || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    attach(files);
  });
  text.addEventListener("input", changed);
  for (const key of ["Tab", "Shift-Tab"]) squire.setKeyHandler(key, null); // leads on, as everywhere
  for (const key of ["Ctrl-k", "Meta-k"]) {
    squire.setKeyHandler(key, (_, event) => {
      event.preventDefault();
      askForLink(squire);
    });
  }

  const rich = page.dataset.rich === "yes";
  tools.hidden = false;
  if (rich) {
    squire.setHTML(html.value);
    squire.moveCursorToStart();
    written = squire.getHTML().replace(HELD_SPACE, " ");
  } else {
    quote.html = "";
  }
  show(rich);

  return {
    /** Bring the cursor to the beginning of the text. */
    focus() {
      if (!isRich()) text.setSelectionRange(0, 0);
      (isRich() ? squire : text).focus();
    },
    /** Say where the quotation is as a document. */
    quotedAt: quote.at,
  };
}

/** Arrow keys go along a toolbar, which is one stop of the Tab key. */
function walkable(tools) {
  const buttons = () => [...tools.querySelectorAll("[data-command]")].filter((button) => !button.hidden);
  tools.addEventListener("keydown", (event) => {
    const all = buttons();
    const at = all.indexOf(document.activeElement);
    const step = getComputedStyle(tools).direction === "rtl" ? -1 : 1;
    const to = { ArrowRight: at + step, ArrowLeft: at - step, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    all[(to + all.length) % all.length].focus();
  });
  tools.addEventListener("focusin", (event) => {
    const stop = event.target.closest("[data-command]");
    if (stop) for (const button of buttons()) button.tabIndex = button === stop ? 0 : -1;
  });
}

/** Ask for the address of a link; a selection, or the link around the cursor, gets it. */
function askForLink(squire) {
  const dialog = document.getElementById("link");
  const field = document.getElementById("link-href");
  const unlink = dialog.querySelector("[data-unlink]");
  const chosen = squire.getSelection();
  const start = chosen.startContainer;
  const link = (start instanceof Element ? start : start.parentElement).closest("[data-rich-text] a[href]");
  field.value = link?.getAttribute("href") ?? "";
  unlink.hidden = !link;
  dialog.returnValue = "";
  const remove = () => dialog.close("remove");
  unlink.addEventListener("click", remove);
  dialog.addEventListener(
    "close",
    () => {
      unlink.removeEventListener("click", remove);
      squire.focus();
      squire.setSelection(chosen);
      if (dialog.returnValue === "remove") squire.removeLink();
      else if (dialog.returnValue === "set" && field.value.trim()) squire.makeLink(complete(field.value.trim()));
    },
    { once: true },
  );
  dialog.showModal();
  field.select();
}

function complete(address) {
  if (/^(?:https?:\/\/|mailto:)/i.test(address)) return address;
  if (/^[^\s/@]+@[^\s/@]+$/.test(address)) return `mailto:${address}`;
  return `https://${address.replace(/^[a-z]+:\/*/i, "")}`;
}
