// Asks for a part of a page again and again: while the page is seen, and somebody is there.

const IDLE_MS = 15 * 60_000; // then a session may end, as if the page were closed

let lastSeen = Date.now();
for (const sign of ["pointermove", "pointerdown", "keydown", "scroll"]) {
  addEventListener(sign, () => { lastSeen = Date.now(); }, { passive: true });
}

/**
 * Ask every some milliseconds.
 *
 * where: returns the address to ask, or null for not now. take: gets the answer's document.
 */
export function poll(everyMs, where, take) {
  let isAsking = false;
  setInterval(async () => {
    if (document.hidden || isAsking || Date.now() - lastSeen > IDLE_MS) return;
    const address = await where();
    if (!address) return;
    isAsking = true;
    try {
      const answer = await fetch(address, { headers: { "HX-Request": "true" } });
      if (answer.status === 401) location.reload(); // signed out: the door leads back here
      else if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // the server can't be reached for a moment; the page says of when it is
    } finally {
      isAsking = false;
    }
  }, everyMs);
}
