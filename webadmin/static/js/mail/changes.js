// What an action has done with messages, carried over to the list, which keeps its place.

import { on } from "../page.js";
import { bar, isNarrow, openUid, reloadList, showList } from "./panes.js";
import { clearTicks, tell } from "./ticks.js";

/** The uids of a text like 1-5,9, as a test for one of them. */
function among(packed) {
  const ranges = packed.split(",").map((part) => part.split("-").map(Number));
  return (uid) => ranges.some(([first, last = first]) => first <= uid && uid <= last);
}

const rows = () => [...document.querySelectorAll("#messages .msg")];
const link = (row) => row?.querySelector("a.open");

function remove(isGone) {
  const all = rows();
  const first = all.findIndex((row) => isGone(Number(row.dataset.uid)));
  const left = all.filter((row) => !isGone(Number(row.dataset.uid)));
  const next = all.slice(first).find((row) => left.includes(row)) ?? left.at(-1);
  const uid = openUid();
  const wasOpen = uid && isGone(Number(uid));
  const hadFocus = document.activeElement === document.body || document.activeElement.closest("#list, #reader, .menu, dialog");
  for (const row of all) if (!left.includes(row)) row.remove();
  clearTicks();
  if (hadFocus) link(next)?.focus({ preventScroll: Boolean(wasOpen) });
  if (wasOpen && (isNarrow() || !next)) showList();
  else if (wasOpen) link(next).click();
  if (!left.length) reloadList();
}

function mark(isMarked, name, isOn) {
  for (const row of rows()) if (isMarked(Number(row.dataset.uid))) row.classList.toggle(name, isOn);
  const uid = openUid();
  if (!uid || !isMarked(Number(uid))) return;
  if (name === "new" && isOn) showList();
  const flag = document.querySelector("#reader .flag");
  if (name !== "flagged" || !flag) return;
  flag.setAttribute("aria-pressed", String(isOn));
  flag.value = isOn ? "unflag" : "flag";
}

/** Begin to watch. */
export function watchChanges() {
  document.addEventListener("mail:changed", ({ detail }) => {
    document.querySelector("#dialog dialog")?.close();
    const isHere = String(detail.folder) === bar().dataset.folder;
    if (detail.stale) reloadList();
    else if (isHere && detail.gone) remove(among(detail.gone));
    if (isHere && detail.gone && detail.stale && openUid() && among(detail.gone)(Number(openUid()))) showList();
    if (isHere && detail.marked) mark(among(detail.marked), detail.as, detail.on);
    tell();
  });
  on("submit", "#toasts form", (event, form) => {
    if (!form.action.includes("/webmail/")) return;
    event.preventDefault();
    window.htmx.ajax("POST", form.getAttribute("action"), { source: form, target: "#fresh", swap: "none" });
    form.closest("[data-toast]").querySelector("[data-leave]")?.click();
  });
}
