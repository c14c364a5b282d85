// Writing a letter: rich text, drafts that save themselves, attachments, sending with a key.

import { each, element, fill, icon, on } from "../page.js";
import { toast } from "../toasts.js";
import { editor } from "./editor.js";
import { peopleOf } from "./people.js";

const AUTOSAVE_MS = 2500;
const AGAIN_MS = 15_000;
const MOST_NAMED = 60; // characters of an upload's name

const page = document.querySelector("[data-compose]");
const form = document.getElementById("compose");
const words = page.dataset;
const state = page.querySelector("[data-state]");
const files = document.getElementById("files");

let changes = 0; // counted, so that what was typed while saving is saved after it
let saved = 0;
let timer = 0;
let underway = Promise.resolve();

/** Post the form as it is, one request after the other; take over what the server answers. */
function post(action, { uploads = [], progress = null } = {}) {
  const next = underway.then(() => {
    const at = changes;
    const body = new FormData(form);
    body.delete("file");
    for (const file of uploads) body.append("file", file);
    body.set("do", action);
    return send(body, progress).then((answer) => {
      form.elements.draft.value = answer.draft;
      form.elements.source.value = answer.source;
      take(answer.files);
      saved = Math.max(saved, at);
      say(fill(words.saved, answer.saved), true);
    });
  });
  underway = next.catch(() => {});
  return next;
}

/** Send by XMLHttpRequest: fetch does not tell how much has been sent. */
function send(body, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    if (progress) request.upload.addEventListener("progress", progress);
    request.addEventListener("load", () => {
      if (request.status === 200 && request.response?.draft) resolve(request.response);
      else reject(new Error(request.response?.error ?? ""));
    });
    request.addEventListener("error", () => reject(new Error("")));
    request.send(body);
  });
}

/** Put the list of attachments in place of the one before; uploads under way stay in it. */
function take(markup) {
  const running = [...files.querySelectorAll("[data-uploading]")];
  const focused = document.activeElement?.id;
  files.innerHTML = markup; // the server's own template
  prepare();
  files.querySelector("[data-uploads]")?.before(...running);
  if (focused && files.contains(document.getElementById(focused))) document.getElementById(focused).focus();
}

function say(text, good = false) {
  state.replaceChildren(...(good ? [icon("check"), " "] : []), text);
}

function changed() {
  changes += 1;
  clearTimeout(timer);
  timer = setTimeout(save, AUTOSAVE_MS);
}

async function save() {
  clearTimeout(timer);
  if (saved === changes) return;
  try {
    await post("save");
    if (saved !== changes) changed();
  } catch (error) {
    say(error.message || words.unsaved);
    timer = setTimeout(save, AGAIN_MS);
  }
}

function prepare() {
  for (const button of files.querySelectorAll("[data-noscript]")) button.hidden = true;
}

/** Add files: each upload is a line with its progress. */
async function attach(list) {
  const found = [...list];
  if (!found.length) return;
  const name = found.map((file) => file.name).join(", ").slice(0, MOST_NAMED);
  const bar = element("progress", { max: 1, value: 0, "aria-label": name });
  const line = element("li", { class: "file", "data-uploading": true }, icon("upload"), element("div", {}, element("span", { class: "name cut", dir: "auto" }, name), bar));
  files.querySelector("[data-uploads]").before(line);
  const progress = (event) => {
    if (event.lengthComputable) bar.value = event.loaded / event.total;
  };
  try {
    await post("attach", { uploads: found, progress });
  } catch (error) {
    toast(error.message || words.unsaved, { tone: "bad" });
  } finally {
    line.remove();
  }
}

editor(page, form, changed);
for (const name of ["to", "cc", "bcc"]) peopleOf(page.querySelector(`[name="${name}"]`), words, changed);

// Cc and Bcc stand there once they are asked for, or used.
const more = page.querySelector("[data-more-people]");
more.hidden = false;
each("[data-optional]", (line) => {
  line.hidden = true;
});
each("[data-show]", (button) => {
  button.hidden = !page.querySelector(`[data-line="${button.dataset.show}"][data-optional]`);
});
on("click", "[data-show]", (event, button) => {
  const line = page.querySelector(`[data-line="${button.dataset.show}"]`);
  line.hidden = false;
  button.hidden = true;
  line.querySelector("input:not([type=hidden])").focus();
});

form.addEventListener("input", changed);
form.addEventListener("change", (event) => {
  if (event.target.matches("input[type=file]")) {
    attach(event.target.files);
    event.target.value = "";
  }
});
on("click", "[data-drop]", (event, button) => {
  event.preventDefault();
  button.closest("li").querySelector("[name=kept]").disabled = true;
  post("save").catch(() => say(words.unsaved));
});

// What is sent or thrown away waits for the draft that is being saved, so that none is left over.
let isLeaving = false;
form.addEventListener("submit", (event) => {
  const button = event.submitter;
  clearTimeout(timer);
  if (isLeaving) return;
  event.preventDefault();
  if (!button || button.value === "save") {
    changes += 1;
    save();
    return;
  }
  isLeaving = true;
  button.setAttribute("aria-busy", "true");
  underway.then(() => form.requestSubmit(button));
});
on("click", "[data-compose] a[href]", async (event, link) => {
  if (saved === changes || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  await save();
  location.assign(link.href);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden && !isLeaving) save();
});

// Files are taken wherever they are dropped.
const dropping = page.querySelector("[data-dropping]");
let entered = 0;
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
page.addEventListener("dragenter", (event) => {
  if (!carriesFiles(event)) return;
  entered += 1;
  dropping.hidden = false;
});
page.addEventListener("dragleave", () => {
  entered = Math.max(0, entered - 1);
  dropping.hidden = entered === 0;
});
page.addEventListener("dragover", (event) => {
  if (carriesFiles(event)) event.preventDefault();
});
page.addEventListener("drop", (event) => {
  entered = 0;
  dropping.hidden = true;
  if (!carriesFiles(event)) return;
  event.preventDefault();
  attach(event.dataTransfer.files);
});

prepare();
const wrong = page.querySelector("[aria-invalid=true]");
const first = document.getElementById("to");
if (wrong) (wrong.type === "hidden" ? wrong.parentElement.querySelector(".in") : wrong).focus();
else if (!page.querySelector("[name=to]").value) first.focus();
