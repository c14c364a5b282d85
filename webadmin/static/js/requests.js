// What htmx sends and gets: the proof of origin, answers that failed, a session that has ended.

import { words } from "./page.js";
import { toast } from "./toasts.js";

const MOST_SAID = 300; // characters

document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  const proof = document.querySelector('meta[name="csrf-token"]')?.content;
  if (proof) ctx.request.headers["X-CSRF-Token"] = proof;
});

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  const { status, headers } = ctx.response;
  if (status === 422) return; // a form with its errors
  if (status === 401) {
    if (!headers.get("HX-Redirect")) location.reload();
    return;
  }
  const said = ctx.text?.trim() ?? "";
  const isSentence = said && !said.startsWith("<") && said.length <= MOST_SAID;
  toast(isSentence ? unescape(said) : words.failed, { tone: "bad" });
});

document.addEventListener("htmx:error", ({ detail }) => {
  if (detail.ctx) toast(words.failed, { tone: "bad" });
});

function unescape(text) {
  return new DOMParser().parseFromString(text, "text/html").documentElement.textContent;
}
