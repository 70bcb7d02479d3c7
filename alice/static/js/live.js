// A region marked data-live is asked for again every second while it is in view; what has not changed is left
// alone, so that focus, selection and scrolling survive.

const EVERY = 1_000;
const SLOWEST = 10_000;
const GIVE_UP_AFTER = 8_000;

const asSent = new WeakMap(); // element -> its HTML as the server sent it, before anything changed it here

function follow(region, note) {
  let wait = EVERY;
  let etag = null;
  let timer = 0;
  let asking = false;
  let over = false;

  async function ask() {
    if (asking || over || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(region.dataset.url, {
        headers: { "X-Alice-Background": "1", ...(etag && { "If-None-Match": etag }) },
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(GIVE_UP_AFTER),
      });
      await take(answer);
    } catch {
      wait = Math.min(wait * 2, SLOWEST);
      say(note, "lost", "Connection lost. Trying again…");
    }
    asking = false;
    timer = setTimeout(ask, wait);
  }

  async function take(answer) {
    if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) {
      over = true;
      say(note, "lost", "You have been signed out. Reload the page to sign in again.");
      return;
    }
    if (answer.status !== 304 && !answer.ok) throw new Error(answer.statusText);
    if (answer.ok) {
      etag = answer.headers.get("ETag");
      update(region, await answer.text());
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

/** Keeps the rows that are the same, puts the others in, drops the rest. Rows are known by data-key. */
function mergeRows(rows, fresh) {
  const known = new Map(Array.from(rows.children, (row) => [row.dataset.key, row]));
  let at = rows.firstElementChild;
  for (const row of [...fresh.children]) {
    const old = known.get(row.dataset.key);
    const kept = asSent.get(old) === row.outerHTML ? old : remembered(row, old);
    if (kept === at) at = at.nextElementSibling;
    else rows.insertBefore(kept, at);
    known.delete(row.dataset.key);
    if (old && old !== kept) {
      if (old === at) at = at.nextElementSibling;
      old.remove();
    }
  }
  for (const row of known.values()) row.remove();
}

function remembered(row, old) {
  asSent.set(row, row.outerHTML);
  if (!old) row.classList.add("is-new");
  return row;
}

for (const region of document.querySelectorAll("[data-live]")) {
  follow(region, document.querySelector("[data-live-note]"));
}
