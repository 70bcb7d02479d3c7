// tracker.js: counts views and time on a site. This is the core; `make tracker` puts it and the add-ons into one
// function, so that `return` ends the script and the add-ons see what is declared here.

if (window.littlestats) return; // the tag stands on the page twice

const VIEWED_ONCE = 2e3; // ms within which the same address is one view
const TOO_OLD = 5e8; // ms, under 6 days: the server knows an id again for 7
const AT_MOST = 99; // events wait, and go together; no multiple of BATCH, or a full queue would send at every event
const A_SECOND = 1e3; // ms
const BATCH = 10; // events do not wait any longer, and so many leave with the page
// Characters in one event. One is 3 bytes at most, so that AT_MOST events are 594 KB, of the server's 1 MB, and
// BATCH of them 60 KB, of the 64 that a browser takes for a beacon.
const LARGEST = 2e3;
const FLUSH_AFTER = 2; // s
const ENGAGED_FROM = 3; // s
const BEAT_EVERY = 240; // s: below the shortest idle time of a visit

const script = document.currentScript;
const options = script.dataset;
const endpoint = new URL("/api/v2/track/" + options.siteId, options.host || script.src);

const undos = []; // how to undo what was done to the page; nothing is left after destroy()

/** What goes wrong in here stays in here: the page never hears of it. */
const safe = (action) => (...details) => {
  try {
    action(...details);
  } catch {}
};

/** Every event of the page passes the window first. */
const on = (type, action) => {
  const listener = safe(action);
  addEventListener(type, listener, true);
  undos.push(() => removeEventListener(type, listener, true));
};

/** Sets a property, until destroy() puts back what was there. */
const put = (target, name, value) => {
  const before = target[name];
  target[name] = value;
  undos.push(() => {
    if (target[name] != value) return; // it is somebody else's by now
    delete target[name];
    if (target[name] != before) target[name] = before;
  });
};

/** 128 random bits. crypto.randomUUID is missing where there is no TLS. */
const random = () => "" + crypto.getRandomValues(new Uint32Array(4));

// What is kept: {events}, with the visitor's consent also {id}, and {out} if they opted out. Only id and out make
// it stay in the browser, and then all tabs share it; what a tab has itself to say, it remembers besides. Where
// storage is blocked or full nothing stays, and a visitor counts as one who has not consented.

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

// The queue: events as JSON. One leaves it when an answer says that it has arrived; a beacon has no answer, so
// what it carried is sent again if the page (or, with consent, the next one) lives on. The id of an event keeps
// it from counting twice.

let unsent; // there is news since the last beacon
let busy;
let pause = FLUSH_AFTER; // between attempts; twice as long after each that failed
let ticks = 0;

const waiting = () => [...new Set([...memory.events, ...load().events])];

/** What to send of the newest, if anything. Who somebody is needs their consent. */
const body = (most) => {
  const id = load().id;
  const events = waiting()
    .map(JSON.parse) // its second argument, the index, means nothing to it
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
    // A plain string goes as text/plain, for which browsers ask no permission first.
    const answer = await fetch(endpoint, { method: "POST", body: text });
    if (answer.status < 429) {
      // They may have opted out while it was under way, and that is kept in the same place.
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

// The page on display.

let page = ""; // its address
let viewedAt;
let seconds = 0; // in view and focused, not yet reported
let depth = 0; // deepest place that was in view, in percent
let reported = 0; // of depth

/** Without fragment and without parameters, except those that say where a visitor comes from. */
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
  const referrer = page ? "" : clean(document.referrer); // where they came from, not where they went on
  page = "" + address;
  viewedAt = Date.now();
  seconds = depth = reported = 0;
  push({ referrer: referrer });
};

const exit = () => {
  leave();
  viewedAt = 0; // coming back to the same address is a view, however soon
  unsent = unsent && body(BATCH) && !navigator.sendBeacon(endpoint, body(BATCH));
};

// A count of seconds, and not a clock, because a clock goes on while the computer sleeps.
const tick = safe(() => {
  undos[0] && setTimeout(tick, A_SECOND);
  seconds += !document.hidden && document.hasFocus() && !silent();
  seconds < BEAT_EVERY || leave("heartbeat");
  ++ticks % pause || flush(); // in the background too: no beacon says that it has arrived
});

// What pages may call.

let who;

const consent = (granted = 1) => {
  silent() || save(waiting(), granted && (load().id || random()));
  granted && who && push(who);
};

const api = {
  track: (name, data) => push({ type: "event", name: name, data: data }),
  // Who somebody is leaves the browser only with their consent.
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
for (const name of ["track", "identify"]) window[name] || put(window, name, api[name]); // a page may have its own
put(window, "littlestats", api);

// Where a page goes without loading another. What is replaced by itself is a router's note, and no view.

for (const method of ["pushState", "replaceState"]) {
  const original = history[method];
  put(history, method, (...details) => {
    original.apply(history, details);
    if (method == "pushState" || clean(page) != clean(location.href)) safe(view)();
  });
}

on("popstate", () => view()); // also where only the fragment changes
on("pageshow", (event) => event.persisted && view());
on("pagehide", exit);
on("visibilitychange", () => page ? exit() : view()); // it was rendered before it was asked for
on("scroll", measure);
on("online", flush);

tick();
options.consent == "granted" && consent();
flush(); // what an earlier page left goes first, and alone: a visit begins with the view that opens it
view();
