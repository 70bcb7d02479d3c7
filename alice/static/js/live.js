// Fetches each region marked data-live again every second while the page is in view. Elements that have not changed
// stay in the document, so that focus, selection and scrolling survive.

const EVERY = 1_000; // ms
const SLOWEST = 10_000; // ms; the longest wait after failures
const GIVE_UP_AFTER = 8_000; // ms; the timeout of a request

const asSent = new WeakMap(); // element -> its HTML as the server sent it, before other scripts changed it

function follow(region, note) {
  let wait = EVERY;
  let etag = null;
  let timer = 0;
  let asking = false;
  let signedOut = false;

  async function ask() {
    if (asking || signedOut || document.hidden) return;
    asking = true;
    try {
      const response = await fetch(region.dataset.url, {
        headers: { "X-Alice-Background": "1", ...(etag && { "If-None-Match": etag }) },
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(GIVE_UP_AFTER),
      });
      await take(response);
    } catch {
      wait = Math.min(wait * 2, SLOWEST);
      say(note, "lost", "Connection lost. Trying again…");
    }
    asking = false;
    timer = setTimeout(ask, wait);
  }

  async function take(response) {
    if (response.type === "opaqueredirect" || response.status === 401 || response.status === 403) {
      signedOut = true;
      say(note, "lost", "You have been signed out. Reload the page to sign in again.");
      return;
    }
    if (response.status !== 304 && !response.ok) throw new Error(response.statusText);
    if (response.ok) {
      etag = response.headers.get("ETag");
      update(region, await response.text());
    }
    wait = EVERY;
    say(note, "live", "Live");
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    ask();
  });
  ask();
}

function say(note, state, words) {
  if (note.dataset.state === state) return;
  note.dataset.state = state;
  note.textContent = words;
}

function update(region, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const fresh of template.content.querySelectorAll("[data-part]")) {
    const part = region.querySelector(`[data-part="${fresh.dataset.part}"]`);
    const sent = fresh.innerHTML;
    if (asSent.get(part) === sent) continue;
    asSent.set(part, sent);
    const [rows, freshRows] = [part, fresh].map((of) => of.querySelector("[data-rows]"));
    if (rows && freshRows) mergeRows(rows, freshRows);
    else part.replaceChildren(...fresh.childNodes);
  }
}

/** Makes `rows` equal to `fresh`: keeps unchanged rows, inserts new ones, removes the rest. data-key is a row's id. */
function mergeRows(rows, fresh) {
  const unused = new Map(Array.from(rows.children, (row) => [row.dataset.key, row]));
  let at = rows.firstElementChild;
  for (const row of [...fresh.children]) {
    const old = unused.get(row.dataset.key);
    const kept = asSent.get(old) === row.outerHTML ? old : remembered(row, old);
    if (kept === at) at = at.nextElementSibling;
    else rows.insertBefore(kept, at);
    unused.delete(row.dataset.key);
    if (old && old !== kept) {
      if (old === at) at = at.nextElementSibling;
      old.remove();
    }
  }
  for (const row of unused.values()) row.remove();
}

function remembered(row, old) {
  asSent.set(row, row.outerHTML);
  if (!old) row.classList.add("is-new");
  return row;
}

for (const region of document.querySelectorAll("[data-live]")) {
  follow(region, document.querySelector("[data-live-note]"));
}
