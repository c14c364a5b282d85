// Long quotations fold away behind a line that opens them; it is an element that opens by itself.

const TALL = 190; // pixels; shorter ones are quicker read than opened

/** Fold the outermost long quotations of an element. */
export function fold(root, label = "…") {
  for (const quote of root.querySelectorAll("blockquote")) {
    if (quote.parentElement.closest("blockquote, details") || quote.getBoundingClientRect().height < TALL) continue;
    const details = quote.ownerDocument.createElement("details");
    details.className = "quoted";
    const summary = quote.ownerDocument.createElement("summary");
    summary.textContent = label;
    quote.replaceWith(details);
    details.append(summary, quote);
  }
}
