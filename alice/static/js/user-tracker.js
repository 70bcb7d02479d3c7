// What a signed-in reader does on Alice's own pages, in the dialect of the UserTracker: movements in sessions,
// one session a tab. Pages that want it call initialize() once; nothing is sent before, and nothing at all for a
// reader whose browser objects (Do Not Track, Global Privacy Control).

import { insist, post } from "./report.js";
import { uuid7 } from "./uuid.js";

const TRACK = "/api/track";
const SESSION = "/api/track/session";
const ANALYTICS = "/api/track/analytics";
const SESSION_KEY = "alice_tracking_session";
const FLUSH_AFTER = 2_000;
const BATCH = 10;
const MOST_WAITING = 500; // the server takes as many at once

const objects = navigator.globalPrivacyControl || navigator.doNotTrack === "1";

let user = null;
let session = null;
let waiting = [];
let timer = 0;
let sending = false;

/**
 * Begins to track `userId`, who must be the reader that is signed in. What was tracked before counts from here
 * on. Calling it again changes nothing. Resolves when the session is known to the server, to whether it is.
 */
export async function initialize(userId) {
  if (objects || user !== null) return !objects;
  user = userId;
  session = sessionOfTab();
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => document.hidden && leave());
  const outcome = await insist(SESSION, { userId: user, sessionId: session, deviceInfo: device() }, () => {});
  later();
  return outcome === "delivered";
}

/** Tracks a view of `path`, by default the page's own. */
export function trackPageView(path = location.pathname) {
  trackEvent("page_view", { path });
}

/** Tracks `event`, one of the dialect's own (click, scroll, hover, form_interaction) or any other name. */
export function trackEvent(event, data = {}) {
  if (objects) return;
  const movement = { id: uuid7(), event, timestamp: Date.now(), data: { path: location.pathname, ...data } };
  waiting = [...waiting, structuredClone(movement)].slice(-MOST_WAITING);
  if (waiting.length >= BATCH) flush();
  else later();
}

/**
 * What is known of the reader since `timeRange` (1h, 24h, 7d, 30d): the answer of the server, which says in
 * `nextBefore` where the next page begins. `options`: before, limit, event, path, session. Throws an Error with
 * what the server said, or that there is no initialize().
 */
export async function getAnalytics(timeRange = "24h", options = {}) {
  if (user === null) throw new Error("Call initialize() first.");
  const query = new URLSearchParams({ userId: user, timeRange, ...options });
  const answer = await fetch(`${ANALYTICS}?${query}`);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error ?? answer.statusText);
  return body;
}

export const userTracker = { initialize, trackPageView, trackEvent, getAnalytics };

function later() {
  if (user === null || !waiting.length || timer) return;
  timer = setTimeout(flush, FLUSH_AFTER);
}

/** Sends what waits, and goes on trying; the ids keep a movement that arrives twice from counting twice. */
async function flush() {
  clearTimeout(timer);
  timer = 0;
  if (user === null || sending || !waiting.length) return;
  sending = true;
  const sent = waiting;
  await insist(TRACK, batch(sent), () => {});
  waiting = waiting.filter((movement) => !sent.includes(movement));
  sending = false;
  later();
}

function leave() {
  if (user !== null && waiting.length) post(TRACK, batch(waiting));
}

const batch = (movements) => ({
  movements: movements.map((movement) => ({ userId: user, sessionId: session, ...movement })),
});

/** The same for as long as the tab lives; for this page only where nothing may be kept. */
function sessionOfTab() {
  try {
    sessionStorage[SESSION_KEY] ??= uuid7();
    return sessionStorage[SESSION_KEY];
  } catch {
    return uuid7();
  }
}

const device = () => ({
  screenResolution: `${screen.width}x${screen.height}`,
  timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
});
