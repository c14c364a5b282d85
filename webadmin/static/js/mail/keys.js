// Keys as readers of mail know them. Those of buttons that are always there stand with the buttons.

import { isShown } from "../page.js";
import { shortcut } from "../shortcuts.js";
import { bar, openUid, showList } from "./panes.js";
import { tell, ticked } from "./ticks.js";

const rows = () => [...document.querySelectorAll("#messages .msg")];
const link = (row) => row?.querySelector("a.open");

function currentRow() {
  return document.activeElement?.closest?.(".msg") ?? document.querySelector(".msg.on");
}

/** Go to another message: read it when one is read already, else only point at it. */
function step(by) {
  const all = rows();
  const at = all.indexOf(openUid() ? document.querySelector(".msg.on") ?? currentRow() : currentRow());
  const next = at < 0 ? all[0] : all[at + by];
  if (!next) return;
  next.scrollIntoView({ block: "nearest" });
  link(next).focus({ preventScroll: true });
  if (openUid() && link(next).hasAttribute("hx-get")) link(next).click();
}

function open() {
  const row = currentRow();
  if (!row) return;
  if (row.classList.contains("on")) document.getElementById("read")?.focus();
  else link(row).click();
}

/** The form that an action is for: ticked messages, the one that is read, or the one pointed at. */
function form() {
  if (ticked().length) return "act";
  const row = document.activeElement?.closest?.(".msg");
  if (row && row.dataset.uid !== openUid()) {
    row.querySelector(".lead input").checked = true;
    tell();
    return "act";
  }
  return document.getElementById("one") ? "one" : "";
}

function press(...values) {
  const id = form();
  for (const value of id ? values : []) {
    const button = document.querySelector(`button[form="${id}"][name="do"][value="${value}"]`);
    if (!button) continue;
    button.form.requestSubmit(button);
    return;
  }
}

/** Flag, or take the flag off where all have it. */
function flag() {
  const id = form();
  if (id === "one") return press("flag", "unflag");
  const chosen = ticked().map((box) => box.closest(".msg"));
  if (chosen.length) press(chosen.every((row) => row.classList.contains("flagged")) ? "unflag" : "flag");
}

function move() {
  const opener = form() === "act" ? "move-ticked" : "move-one";
  const menu = document.getElementById(opener);
  const button = document.querySelector(`button[popovertarget="${opener}"]`);
  if (menu && button && isShown(button)) menu.showPopover({ source: button });
}

function tick() {
  const box = currentRow()?.querySelector(".lead input");
  if (!box) return;
  box.checked = !box.checked;
  tell();
}

function go(use) {
  const there = document.querySelector(`#folders a[data-use="${use}"]`);
  if (there) there.click();
}

/** Register them; their words are the page's. */
export function registerKeys(mail) {
  const said = mail.dataset;
  const group = said.keys;
  const add = (keys, label, action) => shortcut(keys, label, action, { group });
  add("j", said.keyNext, () => step(1));
  add("k", said.keyPrevious, () => step(-1));
  add("o", said.keyOpen, open);
  add("u", said.keyBack, () => (openUid() ? showList() : link(currentRow() ?? rows()[0])?.focus()));
  add("x", said.keyTick, tick);
  add("s", said.keyFlag, flag);
  add("m", said.keyMove, move);
  add("#", said.keyDelete, () => press("delete"));
  add("Delete", "", () => press("delete"));
  add("!", said.keyJunk, () => press(bar().dataset.use === "junk" ? "notjunk" : "junk"));
  add("Shift I", said.keyRead, () => press("read"));
  add("Shift U", said.keyUnread, () => press("unread"));
  add("g i", said.keyInbox, () => go("inbox"));
  add("g d", said.keyDrafts, () => go("drafts"));
  add("g t", said.keySent, () => go("sent"));
}
