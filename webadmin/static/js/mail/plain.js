// Rich text as plain text, and the other way round.

import { element } from "../page.js";

const BLOCKS = new Set(["ADDRESS", "BLOCKQUOTE", "DIV", "H1", "H2", "H3", "LI", "OL", "P", "PRE", "TABLE", "TBODY", "THEAD", "TR", "UL"]);

/** Write an element's content as lines: lists with their signs, quotations with ">". */
export function asText(root) {
  return linesOf(root).join("\n").replace(/\s+$/, "");
}

function linesOf(node) {
  const lines = [];
  let open = null; // the line that text goes on
  let number = Number(node.getAttribute?.("start") ?? 1);
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) {
      const text = child.data.replaceAll("\u200b", "").replaceAll("\u00a0", " ");
      if (text) open = (open ?? "") + text;
    } else if (child.nodeName === "BR") {
      lines.push(open ?? "");
      open = null;
    } else if (BLOCKS.has(child.nodeName)) {
      if (open !== null) lines.push(open);
      open = null;
      const inner = linesOf(child);
      lines.push(...signed(child, inner.length ? inner : [""], node.nodeName === "OL" ? `${number++}. ` : "* "));
    } else {
      const [first = "", ...rest] = linesOf(child);
      const shown = child.nodeName === "A" && child.href && !child.href.includes(first) && !first.includes("://") ? `${first} <${child.href}>` : first;
      open = (open ?? "") + shown;
      if (rest.length) {
        lines.push(open, ...rest.slice(0, -1));
        open = rest.at(-1);
      }
    }
  }
  if (open !== null) lines.push(open);
  return lines;
}

function signed(child, lines, sign) {
  if (child.nodeName === "LI") return lines.map((line, at) => (at ? " ".repeat(sign.length) : sign) + line);
  if (child.nodeName === "BLOCKQUOTE") return lines.map((line) => (line.startsWith(">") || !line ? `>${line}` : `> ${line}`));
  return lines;
}

/** Write plain text as mark-up: each line a block, quotations as quotations. */
export function asMarkup(text) {
  const made = element("div");
  const open = [made];
  for (const line of text.split("\n")) {
    const [quoted] = line.match(/^(?:> ?)*/);
    const depth = quoted.replaceAll(" ", "").length;
    while (open.length - 1 > depth) open.pop();
    while (open.length - 1 < depth) {
      const quote = element("blockquote");
      open.at(-1).append(quote);
      open.push(quote);
    }
    open.at(-1).append(element("div", {}, line.slice(quoted.length) || element("br")));
  }
  return made.innerHTML;
}
