// Which pane is seen, what is current, the title, and the way back through what was read.

import { on } from "../page.js";

const PLACE = /^\/webmail\/(?:(\d+)\/(\d+)?)?$/;

let scrolled = 0; // of the list, while a phone shows a message
let cameFromList = false;

export const bar = () => document.getElementById("list-bar");
export const openUid = () => document.querySelector("#read[data-uid]")?.dataset.uid ?? "";
export const isNarrow = () => matchMedia("(max-width: 47.99rem)").matches;

/** Load a part of the page into its place. */
export function load(address, place) {
  return window.htmx.ajax("GET", address, { source: place, target: place, swap: "innerHTML" });
}

/** Read the list again, as long as it is, without moving what is looked at. */
export async function reloadList({ toTop = false } = {}) {
  const messages = document.getElementById("messages");
  const place = toTop ? 0 : messages.scrollTop;
  const address = new URL(bar().dataset.address, location.href);
  address.searchParams.set("rows", toTop ? 1 : messages.querySelectorAll(".msg").length || 1);
  await load(address.pathname + address.search, "#list");
  document.getElementById("messages").scrollTop = place;
}

/** Leave what is read, and show the list. */
export function showList() {
  if (cameFromList && openUid()) {
    history.back();
    return;
  }
  const address = bar().dataset.address;
  history.pushState({ htmx: true }, "", address);
  load(address, "#reader");
}

/** After anything was put into the page: make the rest agree with it. */
export function settle(mail) {
  const uid = openUid();
  const messages = document.getElementById("messages");
  const view = uid ? "message" : "list";
  const changed = mail.dataset.view !== view;
  if (changed && view === "message") scrolled = messages.scrollTop;
  mail.dataset.view = view;
  if (changed && view === "list" && isNarrow()) messages.scrollTop = scrolled;
  for (const row of messages.querySelectorAll(".msg")) {
    const isOpen = row.dataset.uid === uid;
    row.classList.toggle("on", isOpen);
    if (isOpen) row.querySelector("a.open").setAttribute("aria-current", "true");
    else row.querySelector("a.open").removeAttribute("aria-current");
  }
  const folder = document.getElementById("folders").dataset.title;
  document.title = `${document.getElementById("read")?.dataset.title || folder} · Posthouse`;
  if (changed && isNarrow()) (uid ? document.getElementById("read") : messages.querySelector(".msg a.open"))?.focus({ preventScroll: true });
}

/** Begin to watch. */
export function watchPanes(mail) {
  document.addEventListener("htmx:before:history:restore", (event) => {
    const there = new URL(event.detail.path, location.href);
    const place = PLACE.exec(there.pathname);
    if (!place) return;
    event.preventDefault();
    const here = bar().dataset;
    const isSameFolder = place[1] ? place[1] === here.folder : here.use === "inbox";
    const sorting = new URL(here.address, location.href).search;
    cameFromList = false;
    load(there.pathname + there.search, isSameFolder && there.search === sorting ? "#reader" : "#list");
  });
  on("click", "#list a.open[hx-get]", () => { cameFromList = !openUid(); });
  on("click", "#reader-bar [data-back]", (event) => {
    event.preventDefault();
    showList();
  });
  on("click", "#fresh a", (event) => {
    event.preventDefault();
    reloadList({ toTop: true });
  });
}
