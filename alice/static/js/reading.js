// Reports to the server that the reader has viewed the page, still has it in view, and chose a section.

import { FAILED, SIGNED_OUT, insist, post } from "./report.js";
import { uuid7 } from "./uuid.js";

const ACTIVITY = "/api/activity/track";
const HEARTBEAT = "/api/heartbeat";
const SEEN_AFTER = 1_000; // ms in view
const BEAT_EVERY = 60_000; // ms

const sheet = document.querySelector("[data-reading]");
const note = document.querySelector("[data-note]");
const place = { book_id: sheet.dataset.bookId, page_number: Number(sheet.dataset.pageNumber) };
const tracked = sheet.dataset.track === "true";

// Views: a page view has its own id and is reported when the page has been in view for a second.

let display;

function begin(id) {
  display = { id, timer: 0, due: false, done: false };
  follow();
}

/** Starts to count the second when the page comes into view; stops when it is hidden. */
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

// Heartbeats: every minute while the page is in view, and when it comes back into view after more than that.

let lastBeat = Date.now();
let nextBeat = 0;

function keepBeating() {
  clearTimeout(nextBeat);
  if (!document.hidden) nextBeat = setTimeout(beat, lastBeat + BEAT_EVERY - Date.now());
}

async function beat() {
  lastBeat = Date.now();
  keepBeating();
  tell(await post(HEARTBEAT, place));
}

// Sections: a click on a section says that the reader is there.

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

// Messages to the reader about these reports.

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
