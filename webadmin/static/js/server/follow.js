// Adds the lines of a log as they are written; the newest stay in sight unless one scrolled away.

import { poll } from "./poll.js";

const EVERY_MS = 2000;
const MOST_NODES = 20_000;

const lines = document.getElementById("lines");
lines.scrollIntoView({ block: "end" });

poll(EVERY_MS, async () => document.querySelector("[data-follow]").dataset.follow, (fresh) => {
  document.querySelector("[data-follow]").replaceWith(document.adoptNode(fresh.querySelector("[data-follow]")));
  const found = fresh.getElementById("fresh");
  if (!found.textContent) return;
  const isAtEnd = lines.getBoundingClientRect().bottom <= innerHeight + 40;
  lines.append(...[...found.childNodes].map((node) => document.adoptNode(node)));
  while (lines.childNodes.length > MOST_NODES) lines.firstChild.remove();
  if (isAtEnd) lines.scrollIntoView({ block: "end" });
});
