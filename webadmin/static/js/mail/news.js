// Asks now and then whether something is new, while somebody looks at the page.

const EVERY_MS = 30_000;

/** Begin to ask. */
export function watchNews(mail) {
  let tag = "";
  let asked = Date.now();
  const ask = async () => {
    asked = Date.now();
    const bar = document.getElementById("list-bar");
    if (!bar) return;
    const query = new URLSearchParams({ folder: bar.dataset.folder, next: bar.dataset.next });
    const headers = tag ? { "If-None-Match": tag } : {};
    await window.htmx.ajax("GET", `${mail.dataset.news}?${query}`, { source: "#fresh", target: "#fresh", swap: "none", headers });
  };
  document.addEventListener("htmx:before:response", (event) => {
    const { request, response } = event.detail.ctx;
    if (request.action.startsWith(mail.dataset.news)) tag = response.headers.get("ETag") ?? tag;
  });
  setInterval(() => {
    if (document.visibilityState === "visible") ask();
  }, EVERY_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && Date.now() - asked > EVERY_MS) ask();
  });
}
