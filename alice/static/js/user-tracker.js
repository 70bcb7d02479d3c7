// Tracks a signed-in reader on Alice's own pages with the UserTracker API: movements in sessions, one session per
// tab. A page calls initialize() once; nothing is sent before that. Nothing is sent at all if the browser asks not to
// be tracked (Do Not Track, Global Privacy Control).

import { insist, post } from "./report.js";
import { uuid7 } from "./uuid.js";

const TRACK = "/api/track";
const SESSION = "/api/track/session";
const ANALYTICS = "/api/track/analytics";
const SESSION_KEY = "alice_tracking_session";
const FLUSH_AFTER = 2_000; // ms
const BATCH = 10; // movements that are sent without waiting longer
const MOST_WAITING = 500; // movements; also the most that the server takes in one request

const optedOut = navigator.globalPrivacyControl || navigator.doNotTrack === "1";

let user = null;
let session = null;
let waiting = [];
let timer = 0;
let sending = false;

/**
 * Starts tracking `userId`, which must be the signed-in reader. Movements tracked before this call are sent, too.
 * A second call does nothing. Resolves to true once the server has the session, to false if it refused or the
 * browser asks not to be tracked.
 */
export async function initialize(userId) {
  if (optedOut || user !== null) return !optedOut;
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

/** Tracks `event`: one that the API defines (click, scroll, hover, form_interaction) or any other name. */
export function trackEvent(event, data = {}) {
  if (optedOut) return;
  const movement = { id: uuid7(), event, timestamp: Date.now(), data: { path: location.pathname, ...data } };
  waiting = [...waiting, structuredClone(movement)].slice(-MOST_WAITING);
  if (waiting.length >= BATCH) flush();
  else later();
}

/**
 * Returns the reader's sessions and movements of the last `timeRange` (1h, 24h, 7d, 30d), as the body of the response;
 * `nextBefore` is the cursor of the next page. `options`: before, limit, event, path, session. Throws an Error with
 * the server's message, or if initialize() was not called.
 */
export async function getAnalytics(timeRange = "24h", options = {}) {
  if (user === null) throw new Error("Call initialize() first.");
  const query = new URLSearchParams({ userId: user, timeRange, ...options });
  const response = await fetch(`${ANALYTICS}?${query}`);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? response.statusText);
  return body;
}

export const userTracker = { initialize, trackPageView, trackEvent, getAnalytics };

function later() {
  if (user === null || !waiting.length || timer) return;
  timer = setTimeout(flush, FLUSH_AFTER);
}

/** Sends the waiting movements, again while that fails. A duplicate is not counted: each movement has its id. */
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

/** The session id of this tab; a new one for each page if sessionStorage is not allowed. */
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
