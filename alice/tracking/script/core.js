// tracker.js: counts page views and time on a site. This is the core; `make tracker` puts it and the add-ons into
// one function, so that `return` ends the script and the add-ons see what is declared here.

if (window.littlestats) return; // the page has the tag twice

const VIEWED_ONCE = 2e3; // ms within which views of the same URL count as one
const TOO_OLD = 5e8; // ms, under 6 days: the server detects duplicate ids for 7
const AT_MOST = 99; // events queued and sent together; no multiple of BATCH, or a full queue would send at every event
const A_SECOND = 1e3; // ms
const BATCH = 10; // a queue of this many events is sent without waiting; also the most events in one beacon
// Characters in one event, of at most 3 bytes each. So AT_MOST events are at most 594 KB (the server takes 1 MB),
// and BATCH events 60 KB (browsers take 64 KB for a beacon).
const LARGEST = 2e3;
const FLUSH_AFTER = 2; // s
const ENGAGED_FROM = 3; // s; less is not reported
const BEAT_EVERY = 240; // s between heartbeats: below the shortest idle timeout of a visit

const script = document.currentScript;
const options = script.dataset;
const endpoint = new URL("/api/v2/track/" + options.siteId, options.host || script.src);

const undos = []; // functions that undo changes to the page; destroy() runs them all and leaves this empty

/** Wraps a function so that its errors never reach the page. */
const safe = (action) => (...details) => {
  try {
    action(...details);
  } catch {}
};

/** Listens in the window's capture phase, which every event of the page passes first. */
const on = (type, action) => {
  const listener = safe(action);
  addEventListener(type, listener, true);
  undos.push(() => removeEventListener(type, listener, true));
};

/** Sets a property; destroy() restores its previous value. */
const put = (target, name, value) => {
  const before = target[name];
  target[name] = value;
  undos.push(() => {
    if (target[name] != value) return; // another script has changed it since
    delete target[name];
    if (target[name] != before) target[name] = before;
  });
};

/** 128 random bits. crypto.randomUUID() is missing without TLS. */
const random = () => "" + crypto.getRandomValues(new Uint32Array(4));

// The state: {events}, with the visitor's consent also {id}, and {out} if they opted out. Only with id or out is it
// written to localStorage, which all tabs share; each tab also has its events in memory. If storage is blocked or
// full, nothing is stored, and the visitor counts as not having consented.

let memory = { events: [] };

const load = () => {
  try {
    return JSON.parse(localStorage[endpoint]);
  } catch {
    return memory;
  }
};

const save = (queue, id = load().id, out) => {
  try {
    memory = { events: queue, out: out };
    id || out
      ? localStorage[endpoint] = JSON.stringify({ ...memory, id: id })
      : delete localStorage[endpoint];
  } catch {}
};

const silent = () =>
  !undos[0] ||
  document.prerendering ||
  navigator.globalPrivacyControl ||
  navigator.doNotTrack == 1 ||
  load().out;

// The queue: events as JSON. An event is removed when a response confirms it. A beacon has no response, so its
// events are sent again if the page stays open (or, with consent, by the next page). The server detects duplicates
// by the id of the event.

let unsent; // there are new events since the last beacon
let busy;
let pause = FLUSH_AFTER; // s between attempts; doubled after each failure
let ticks = 0;

const waiting = () => [...new Set([...memory.events, ...load().events])];

/** The request body with the newest `most` events; falsy if there is nothing to send. `identify` needs consent. */
const body = (most) => {
  const id = load().id;
  const events = waiting()
    .map(JSON.parse) // it ignores its second argument, the index
    .filter((event) => event.timestamp > Date.now() - TOO_OLD && (id || event.type != "identify"))
    .slice(-most);
  return !silent() && events[0] && JSON.stringify({
    events: events,
    screen: screen.width + "x" + screen.height,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    consent: id && "granted",
    visitorId: id,
  });
};

const flush = async () => {
  try {
    const text = body(AT_MOST);
    if (!text || busy) return;
    busy = 1;
    pause *= 2;
    // A string is sent as text/plain, which needs no CORS preflight.
    const answer = await fetch(endpoint, { method: "POST", body: text });
    if (answer.status < 429) {
      // The visitor may have opted out during the request; save() would overwrite that.
      silent() || save(waiting().filter((event) => !text.includes(event)));
      pause = FLUSH_AFTER;
    }
  } catch {}
  busy = 0;
};

const push = (fields) => {
  const event = JSON.stringify({ eventId: random(), timestamp: Date.now(), url: clean(page), ...fields });
  if (event.length > LARGEST || silent()) return;
  save([...waiting(), event].slice(-AT_MOST));
  unsent = 1;
  waiting().length % BATCH || flush();
};

// The current page.

let page = ""; // its URL
let viewedAt;
let seconds = 0; // visible and focused, not yet reported
let depth = 0; // deepest point that was in view, in percent
let reported = 0; // the depth reported last

/** The URL without its fragment and its query, except the parameters of a campaign. */
const clean = (address) =>
  address
    .split("#")[0]
    .replace(/\?.*|$/, (rest) => "?" + rest.match(/(^.|&)(utm_\w+|ref|source)=[^&]*|$/g).join("").slice(1));

const measure = () => {
  depth = Math.max(
    depth,
    Math.min(100, Math.round(100 * (scrollY + innerHeight) / document.documentElement.scrollHeight)),
  );
};

const leave = (type = "page_exit") => {
  if (!page) return;
  measure();
  const engaged = seconds < ENGAGED_FROM ? 0 : seconds;
  if (engaged || depth > reported) push({ type: type, scroll: depth, engaged: engaged });
  seconds -= engaged;
  reported = depth;
};

const view = (address = location.href) => {
  if (silent() || viewedAt > Date.now() - VIEWED_ONCE && address == page) return;
  leave();
  const referrer = page ? "" : clean(document.referrer); // only of the first view: document.referrer stays as it is
  page = "" + address;
  viewedAt = Date.now();
  seconds = depth = reported = 0;
  push({ referrer: referrer });
};

const exit = () => {
  leave();
  viewedAt = 0; // returning to the same URL is a view, however soon
  unsent = unsent && body(BATCH) && !navigator.sendBeacon(endpoint, body(BATCH));
};

// Counts seconds instead of comparing times, because a clock goes on while the computer sleeps.
const tick = safe(() => {
  undos[0] && setTimeout(tick, A_SECOND);
  seconds += !document.hidden && document.hasFocus() && !silent();
  seconds < BEAT_EVERY || leave("heartbeat");
  ++ticks % pause || flush(); // in the background, too: a beacon does not confirm its arrival
});

// The API for pages.

let who;

const consent = (granted = 1) => {
  silent() || save(waiting(), granted && (load().id || random()));
  granted && who && push(who);
};

const api = {
  track: (name, data) => push({ type: "event", name: name, data: data }),
  // Sent only with the visitor's consent.
  identify: (id, data) => {
    who = { type: "identify", id: "" + id, data: data };
    consent(!!load().id);
  },
  trackPageView: view,
  consent: consent,
  optOut: () => save([], 0, 1),
  optIn: () => {
    save(waiting());
    view();
  },
  destroy: () => {
    exit();
    for (; undos[0]; ) undos.pop()();
  },
};

for (const name in api) api[name] = safe(api[name]);
for (const name of ["track", "identify"]) window[name] || put(window, name, api[name]); // unless the page has its own
put(window, "littlestats", api);

// Navigation without loading a page. A replaceState() to the same URL is a router's bookkeeping, not a view.

for (const method of ["pushState", "replaceState"]) {
  const original = history[method];
  put(history, method, (...details) => {
    original.apply(history, details);
    if (method == "pushState" || clean(page) != clean(location.href)) safe(view)();
  });
}

on("popstate", () => view()); // also if only the fragment changes
on("pageshow", (event) => event.persisted && view());
on("pagehide", exit);
on("visibilitychange", () => page ? exit() : view()); // view(): a prerendered page is shown now
on("scroll", measure);
on("online", flush);

tick();
options.consent == "granted" && consent();
flush(); // events left by an earlier page go first, alone: a visit begins with the view that opens it
view();
