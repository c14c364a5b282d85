// What the other files share: words of the page, icons, delegation of events.

/** Texts that scripts show, translated by the server: the data-… of <meta name="app">. */
export const words = document.querySelector('meta[name="app"]')?.dataset ?? {};

/** Put values for the {} of a text. */
export function fill(text, ...values) {
  return values.reduce((filled, value) => filled.replace("{}", value), text);
}

/** Listen for an event on all elements that match, also on those that come later. */
export function on(type, selector, action, options) {
  document.addEventListener(
    type,
    (event) => {
      const found = event.target instanceof Element ? event.target.closest(selector) : null;
      if (found) action(event, found);
    },
    options,
  );
}

/** Do something with all elements that match: now, and when a part of the page is exchanged. */
export function each(selector, action) {
  const known = new WeakSet();
  const look = (root) => {
    for (const found of root.querySelectorAll(selector)) {
      if (!known.has(found)) {
        known.add(found);
        action(found);
      }
    }
  };
  look(document);
  document.addEventListener("htmx:after:process", () => look(document));
}

/** Make an element: attributes, then text or elements in it. */
export function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...content);
  return made;
}

/** Make an icon of icons.svg that stands beside words. */
export function icon(name, turns = false) {
  const space = "http://www.w3.org/2000/svg";
  const made = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  made.setAttribute("class", turns ? "i turns" : "i");
  made.setAttribute("viewBox", "0 0 16 16");
  made.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${words.icons}#i-${name}`);
  made.append(use);
  return made;
}

/** Whether somebody is writing there. */
export function isWriting(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  return target.matches("input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=file])");
}

/** Whether it can be seen, so that a key may press it. */
export function isShown(found) {
  return found.checkVisibility?.({ visibilityProperty: true }) ?? found.offsetParent !== null;
}
