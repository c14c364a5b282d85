// A time on the page says on hover when that was, and how long ago.

import { on } from "./page.js";

const language = document.documentElement.lang;
const exactly = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" });
const passed = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

on("pointerover", "time[datetime]", (event, time) => {
  const then = new Date(time.dateTime);
  if (Number.isNaN(then.getTime())) return;
  const seconds = (then - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  time.title = `${exactly.format(then)}\n${passed.format(Math.round(seconds / length), unit)}`;
});
