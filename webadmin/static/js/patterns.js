// Lets the pattern page's own buttons show what they are about.

import { on } from "./page.js";
import { toast } from "./toasts.js";

on("click", "[data-say]", (event, button) => {
  const { say, sayUndo } = button.dataset;
  toast(say, sayUndo ? { undo: () => toast(sayUndo) } : {});
});

for (const box of document.querySelectorAll("[data-some]")) box.indeterminate = true;
