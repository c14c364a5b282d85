// The frame that shows HTML mail: as tall as its document, never wider than the pane, and keys
// pressed in it are the page's. The document runs no script; all of this looks in from outside.

import { fold } from "./quotes.js";

const MOST_GROWTH = 30; // a document that grows with its frame would never end
const NARROWEST = 0.5;

const watched = new WeakMap();

/** Fit the frames within an element. */
export function fitFrames(root) {
  for (const frame of root.querySelectorAll("iframe.frame")) {
    if (watched.has(frame)) continue;
    watched.set(frame, null);
    frame.addEventListener("load", () => enter(frame));
    if (frame.contentDocument?.readyState === "complete" && frame.contentDocument.body?.childNodes.length) enter(frame);
  }
}

function enter(frame) {
  const inner = frame.contentDocument;
  if (!inner?.body) return;
  watched.get(frame)?.disconnect();
  frame.classList.toggle("paper", inner.body.classList.contains("paper"));
  fold(inner.body, frame.closest("[data-quoted]")?.dataset.quoted);
  let growth = 0;
  let tall = 0;
  let width = 0;
  const fit = () => {
    if (frame.clientWidth !== width) [width, growth] = [frame.clientWidth, 0];
    zoom(inner, frame.clientWidth);
    const wanted = Math.ceil(inner.documentElement.getBoundingClientRect().height);
    if (wanted === tall || (wanted > tall && ++growth > MOST_GROWTH)) return;
    tall = wanted;
    frame.style.blockSize = `${wanted}px`;
  };
  const observer = new ResizeObserver(fit);
  observer.observe(inner.body);
  observer.observe(frame);
  watched.set(frame, observer);
  for (const image of inner.images) image.addEventListener("load", fit);
  inner.addEventListener("keydown", passOn);
  inner.addEventListener("click", write);
  fit();
}

/** Make a document that is wider than its frame smaller, down to half. */
function zoom(inner, width) {
  const root = inner.documentElement;
  root.style.zoom = "";
  const needed = Math.max(root.scrollWidth, inner.body.scrollWidth);
  if (needed > width + 1) root.style.zoom = String(Math.max(width / needed, NARROWEST));
}

function passOn(event) {
  if (event.defaultPrevented) return;
  const { key, code, shiftKey, ctrlKey, altKey, metaKey } = event;
  const again = new KeyboardEvent("keydown", { key, code, shiftKey, ctrlKey, altKey, metaKey, bubbles: true, cancelable: true });
  if (!document.body.dispatchEvent(again)) event.preventDefault();
}

/** Write to an address that was clicked here, not in another program. */
function write(event) {
  const link = event.target.closest?.('a[href^="mailto:" i]');
  const compose = document.getElementById("mail")?.dataset.compose;
  if (!link || !compose || event.button !== 0 || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const to = decodeURIComponent(link.getAttribute("href").slice("mailto:".length).split("?")[0]);
  location.href = `${compose}?${new URLSearchParams({ to })}`;
}
