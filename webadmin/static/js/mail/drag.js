// Messages dragged onto a folder move there. The same can be done by the menu and by keys.

import { on } from "../page.js";
import { bar } from "./panes.js";
import { ticked } from "./ticks.js";

const KIND = "application/x-posthouse-mail";

let dragged = [];

/** Begin to watch. */
export function watchDrags() {
  on("dragstart", ".msg", (event, row) => {
    const chosen = ticked().map((box) => box.value);
    dragged = chosen.includes(row.dataset.uid) ? chosen : [row.dataset.uid];
    event.dataTransfer.setData(KIND, "");
    event.dataTransfer.effectAllowed = "move";
  });
  on("dragend", ".msg", () => {
    dragged = [];
    for (const link of document.querySelectorAll("#folders a.drop")) link.classList.remove("drop");
  });
  on("dragover", "#folders a[data-use]", (event, link) => {
    if (!dragged.length || link.ariaCurrent || link.dataset.use === "drafts") return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
    link.classList.add("drop");
  });
  on("dragleave", "#folders a", (event, link) => link.classList.remove("drop"));
  on("drop", "#folders a", (event, link) => {
    if (!dragged.length) return;
    event.preventDefault();
    link.classList.remove("drop");
    const values = { do: `move-${link.id.replace("folder-", "")}`, uids: dragged.join(",") };
    const action = document.getElementById("act").getAttribute("action");
    window.htmx.ajax("POST", action, { source: bar(), target: "#fresh", swap: "none", values });
    dragged = [];
  });
}
