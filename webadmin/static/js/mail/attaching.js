// Attachments of a letter: chosen, dropped or pasted, each a line with its progress; taken away again.

import { element, fill, icon } from "../page.js";
import { toast } from "../toasts.js";
import { Away, Refused } from "./saving.js";

const NUMBER = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
const UNITS = ["KB", "MB", "GB"];

/**
 * Set attachments up.
 *
 * page: where files may be dropped. place: holds the server's list. saver: brings them there.
 * refused: shows what is wrong. Returns what others need: attach files, show another list.
 */
export function attachments(page, place, saver, { words, refused, unsaved }) {
  let shown = place.innerHTML;
  prepare();

  function prepare() {
    for (const each of place.querySelectorAll("[data-script]")) each.hidden = false;
    for (const each of place.querySelectorAll("[data-noscript]")) each.hidden = true;
  }

  /** Put the server's list in place of the one before; uploads under way stay in it. */
  function show(markup) {
    if (markup === shown) return;
    shown = markup;
    const running = [...place.querySelectorAll("[data-uploading]")];
    const focused = place.contains(document.activeElement) ? document.activeElement : null;
    const at = focused?.matches("[data-drop]") ? [...place.querySelectorAll("[data-drop]")].indexOf(focused) : -1;
    place.innerHTML = markup;
    prepare();
    place.querySelector("[data-uploads]").before(...running);
    if (!focused || running.some((line) => line.contains(focused))) return;
    const buttons = place.querySelectorAll("[data-drop]");
    (buttons[Math.min(at, buttons.length - 1)] ?? place.querySelector("#file")).focus();
  }

  function sayWrong(text) {
    place.querySelector('[data-wrongs="attachments"]').replaceChildren(element("p", { class: "wrong" }, icon("error"), element("span", {}, text)));
  }

  /** What is too large for the letter, in words; empty when all fits. */
  function tooLarge(files) {
    const room = place.querySelector("[data-uploads]").dataset.room;
    const size = files.reduce((sum, file) => sum + file.size, 0);
    if (room === "" || size <= Number(room)) return "";
    const sizes = [octets(size), octets(Number(room))];
    return files.length === 1 ? fill(words.oneLarge, files[0].name, ...sizes) : fill(words.manyLarge, ...sizes);
  }

  async function attach(list) {
    const files = [...list];
    if (!files.length) return;
    const wrong = tooLarge(files);
    sayWrong("");
    place.querySelector('[data-wrongs="attachments"]').replaceChildren();
    if (wrong) {
      sayWrong(wrong);
      return;
    }
    const aborter = new AbortController();
    const lines = files.map((file) => line(file, aborter));
    place.querySelector("[data-uploads]").before(...lines.map((each) => each.place));
    const total = files.reduce((sum, file) => sum + file.size, 0);
    const progress = (event) => {
      let before = event.total - total; // what the fields of the form take
      for (const each of lines) {
        each.tell(Math.min(Math.max(event.loaded - before, 0), each.file.size));
        before += each.file.size;
      }
    };
    try {
      await saver.post("attach", { uploads: files, progress, signal: aborter.signal });
    } catch (error) {
      if (error instanceof Refused) refused(error.wrongs);
      else if (error instanceof Away) unsaved(error);
      else if (error.name !== "AbortError") {
        const names = new Intl.ListFormat(document.documentElement.lang, { type: "conjunction" }).format(files.slice(0, 3).map((file) => file.name));
        toast(fill(words.unattached, names), { tone: "bad" });
      }
    } finally {
      const isFocused = lines.some((each) => each.place.contains(document.activeElement));
      for (const each of lines) each.place.remove();
      if (isFocused) place.querySelector("#file").focus();
    }
  }

  function line(file, aborter) {
    const said = element("span", { class: "qq tiny n" });
    const bar = element("progress", { max: file.size || 1, value: 0, "aria-label": file.name });
    const cancel = element("button", { type: "button", class: "btn bare s sq", "aria-label": fill(words.cancel, file.name) }, icon("x"));
    cancel.addEventListener("click", () => aborter.abort());
    const holder = element("li", { class: "file", "data-uploading": true }, icon("upload"), element("div", {}, element("span", { class: "name cut", dir: "auto" }, file.name), said, bar), cancel);
    const tell = (loaded) => {
      bar.value = file.size ? loaded : 1;
      said.textContent = fill(words.progress, octets(loaded), octets(file.size));
    };
    tell(0);
    return { place: holder, file, tell };
  }

  place.addEventListener("change", (event) => {
    if (!event.target.matches("input[type=file]")) return;
    const files = [...event.target.files];
    event.target.value = "";
    attach(files);
  });
  place.addEventListener("click", (event) => {
    const button = event.target.closest("[data-drop]");
    if (!button) return;
    event.preventDefault();
    const kept = button.closest("li").querySelector("[name=kept]");
    kept.disabled = true;
    button.setAttribute("aria-busy", "true");
    saver.post("save").catch((error) => {
      kept.disabled = false;
      button.removeAttribute("aria-busy");
      if (error instanceof Refused) refused(error.wrongs);
      else unsaved(error);
    });
  });
  takeDrops(page, attach, words);
  return { attach, show, sayWrong };
}

/** Take files wherever they are dropped. */
function takeDrops(page, attach, words) {
  const cover = page.querySelector("[data-dropping]");
  let entered = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const leave = () => {
    entered = 0;
    cover.hidden = true;
  };
  page.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    entered += 1;
    cover.hidden = false;
  });
  page.addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    entered -= 1;
    if (entered <= 0) leave();
  });
  page.addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  page.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.stopPropagation(); // not into the text
    leave();
    const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile()?.name ?? "");
    if (folders.length) toast(fill(words.folder, folders[0]), { tone: "bad" });
    attach([...event.dataTransfer.files].filter((file) => !folders.includes(file.name)));
  }, true);
}

/** A size as the server's pages write it. */
function octets(size) {
  let amount = size / 1024;
  let unit = 0;
  while (amount >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  const shown = unit && amount < 10 ? amount : Math.max(Math.round(amount), size ? 1 : 0);
  return `${NUMBER.format(shown)} ${UNITS[unit]}`;
}
