// Shows in every <time> how long ago it was, in the page's language; its title is the local date and time.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const REFRESH_EVERY = 15_000;

const language = document.documentElement.lang;
const ago = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const date = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });
const moment = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" });

/** The text for the time `at`, `age` ms ago. A time in the future (clocks that differ) counts as now. */
function wording(at, age) {
  if (age < MINUTE) return "just now";
  if (age < HOUR) return ago.format(-Math.floor(age / MINUTE), "minute");
  if (age < DAY) return ago.format(-Math.floor(age / HOUR), "hour");
  if (age < 7 * DAY) return ago.format(-Math.floor(age / DAY), "day");
  return date.format(at);
}

function show(time) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const words = wording(at, Date.now() - at);
  if (time.textContent === words) return;
  time.textContent = words;
  time.title = moment.format(at);
}

function showAll(root) {
  if (root.matches("time")) show(root);
  for (const time of root.querySelectorAll("time")) show(time);
}

showAll(document.body);
setInterval(() => document.hidden || showAll(document.body), REFRESH_EVERY);
document.addEventListener("visibilitychange", () => document.hidden || showAll(document.body));

new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) showAll(node);
  }
}).observe(document.body, { childList: true, subtree: true });
