// Keeps a part of a page up to date while it is looked at, and nobody works in it.

import { poll } from "./poll.js";

const EVERY_MS = 30_000;

poll(EVERY_MS, async () => {
  const part = document.querySelector("[data-refresh]");
  if (!part || part.contains(document.activeElement)) return null;
  return part.dataset.refresh;
}, (fresh) => {
  const part = document.querySelector("[data-refresh]");
  const next = fresh.querySelector("[data-refresh]");
  if (next && !part.contains(document.activeElement)) part.replaceWith(document.adoptNode(next));
});
