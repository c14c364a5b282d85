// Webmail's list and reading pane: each file is one behaviour, and the page works without any.

import { on } from "../page.js";
import { watchChanges } from "./changes.js";
import { watchDrags } from "./drag.js";
import { fitFrames } from "./frame.js";
import { registerKeys } from "./keys.js";
import { watchNews } from "./news.js";
import { settle, watchPanes } from "./panes.js";
import { fold } from "./quotes.js";
import { watchTicks } from "./ticks.js";

const mail = document.getElementById("mail");

function look() {
  settle(mail);
  for (const text of mail.querySelectorAll(".prose")) fold(text, mail.dataset.quoted);
  fitFrames(mail);
  for (const button of mail.querySelectorAll("[data-print]")) button.hidden = false;
}

watchPanes(mail);
watchTicks();
watchChanges(mail);
watchDrags();
registerKeys(mail);
watchNews(mail);
document.addEventListener("htmx:after:swap", look);
look();

on("click", "[data-print]", () => window.print());
on("click", "[data-images]", (event, link) => {
  const frame = document.querySelector("#reader .frame");
  if (!frame) return;
  event.preventDefault();
  frame.src = link.dataset.images;
  link.closest(".note").remove();
  document.getElementById("read").focus();
});
on("click", "[data-close]", (event, link) => {
  const dialog = link.closest("dialog");
  if (!dialog) return;
  event.preventDefault();
  dialog.close();
});
