// The quotation below a rich text: shown in a frame, taken into the text, or left out.

import { toast } from "../toasts.js";
import { fitFrames } from "./frame.js";

/**
 * Set the quotation up.
 *
 * taken: brings mark-up into the text, and returns what takes it out again. changed: called when there
 * is another quotation, or none.
 */
export function quotation(page, { taken, changed, words }) {
  const place = page.querySelector("[data-quote]");
  const frame = place.querySelector("iframe");
  const carried = page.querySelector("[data-quote-html]");
  const text = page.querySelector("[data-quote-text]");
  let isShown = true;

  function show(rich = isShown) {
    isShown = rich;
    place.hidden = !rich || !carried.value;
    load();
  }

  function load() {
    if (place.hidden || !place.open || frame.src || !frame.dataset.src) return;
    frame.src = frame.dataset.src;
    fitFrames(place);
  }

  function without(said, after) {
    const before = carried.value;
    const undo = after?.(before);
    carried.value = "";
    show();
    changed();
    toast(said, {
      undo: () => {
        undo?.();
        carried.value = before;
        show();
        changed();
      },
    });
  }

  place.addEventListener("toggle", load);
  place.querySelector("[data-quote-edit]").addEventListener("click", () => without(words.quoteIn, taken));
  place.querySelector("[data-quote-drop]").addEventListener("click", () => {
    without(words.quoteOut);
    page.querySelector("[data-rich-text]").focus();
  });

  return {
    show,
    at(address) {
      if (address) frame.dataset.src = address;
    },
    get html() {
      return carried.value;
    },
    set html(markup) {
      carried.value = markup;
      show();
    },
    get text() {
      return carried.value ? text.value : "";
    },
  };
}
