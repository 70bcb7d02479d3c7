// Tells the server what its reader does with the page on display: seen it, still on it, at which section.

import { FAILED, SIGNED_OUT, insist, post } from "./report.js";
import { uuid7 } from "./uuid.js";

const ACTIVITY = "/api/activity/track";
const HEARTBEAT = "/api/heartbeat";
const SEEN_AFTER = 1_000;
const BEAT_EVERY = 60_000;

const sheet = document.querySelector("[data-reading]");
const note = document.querySelector("[data-note]");
const place = { book_id: sheet.dataset.bookId, page_number: Number(sheet.dataset.pageNumber) };
const tracked = sheet.dataset.track === "true";

// Displays: each has its own id, and is reported when it has been in view for a second.

let display;

function begin(id) {
  display = { id, timer: 0, due: false, done: false };
  follow();
}

/** Counts the second from the moment the page comes into view. */
function follow() {
  clearTimeout(display.timer);
  if (document.hidden || display.due) return;
  display.timer = setTimeout(seen, SEEN_AFTER, display);
}

async function seen(shown) {
  shown.due = true;
  await insist(ACTIVITY, view(shown), tell);
  shown.done = true;
}

const view = ({ id }) => ({ id, activity_type: "PAGE_VIEW", ...place });

function leave() {
  clearTimeout(display.timer);
  if (display.due && !display.done) post(ACTIVITY, view(display));
}

// Heartbeats: while the page is in view, and when it comes back into view after a while.

let beaten = Date.now();
let nextBeat = 0;

function keepBeating() {
  clearTimeout(nextBeat);
  if (!document.hidden) nextBeat = setTimeout(beat, beaten + BEAT_EVERY - Date.now());
}

async function beat() {
  beaten = Date.now();
  keepBeating();
  tell(await post(HEARTBEAT, place));
}

// Sections: the one the reader points at is where they are.

function choose(section) {
  if (section.ariaCurrent) return;
  for (const other of sheet.querySelectorAll("[aria-current]")) other.ariaCurrent = null;
  section.ariaCurrent = "location";
  history.replaceState(null, "", `#${section.id}`);
  if (!tracked) return;
  const chosen = { id: uuid7(), activity_type: "SECTION_VIEW", ...place, section_id: section.dataset.sectionId };
  insist(ACTIVITY, chosen, tell);
}

function pointed(event) {
  const section = event.target.closest("[data-section-id]");
  const mark = event.target.closest(".section-mark");
  if (mark && !event.ctrlKey && !event.metaKey) event.preventDefault();
  if (section && getSelection().isCollapsed) choose(section);
}

// What the reader should know about it.

function tell(outcome) {
  if (outcome === SIGNED_OUT) say("You have been signed out. ", signIn());
  else if (outcome === FAILED) say("No connection. Your place will be kept as soon as it is back.");
  else say();
}

function say(...words) {
  note.replaceChildren(...words);
}

function signIn() {
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = "Sign in to keep your place";
  return link;
}

sheet.addEventListener("click", pointed);
const linked = document.getElementById(location.hash.slice(1));
if (linked?.matches("[data-section-id]")) linked.ariaCurrent = "location";

if (tracked) {
  document.addEventListener("visibilitychange", () => {
    follow();
    keepBeating();
  });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", ({ persisted }) => persisted && begin(uuid7()));
  keepBeating();
  begin(sheet.dataset.viewId);
}
