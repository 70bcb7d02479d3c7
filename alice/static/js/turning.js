// Turning pages: by link, arrow key, swipe and page box. Without JavaScript the forms post instead.

const SWIPE_AT_LEAST = 60; // px
const SWIPE_WITHIN = 800; // ms
const EDGE = 24; // px at each side, left to the browser's own gestures

/** Replaces a submit button by a link, which can be opened in a new tab and adds no POST to the history. */
function asLink(button) {
  const link = document.createElement("a");
  link.href = button.dataset.href;
  link.className = button.className;
  link.dataset.turn = button.dataset.turn;
  link.rel = button.dataset.turn === "next" ? "next" : "prev";
  link.append(...button.childNodes);
  button.replaceWith(link);
}

const turn = (way) => document.querySelector(`[data-turn="${way}"]`)?.click();

function key(event) {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  if (event.key === "ArrowRight") turn("next");
  if (event.key === "ArrowLeft") turn("previous");
}

let start = null;

function touched(event) {
  const { clientX: x, clientY: y } = event.touches[0];
  const inside = x > EDGE && x < innerWidth - EDGE && (visualViewport?.scale ?? 1) === 1;
  start = event.touches.length === 1 && inside ? { x, y, at: event.timeStamp } : null;
}

function lifted(event) {
  if (!start || event.timeStamp - start.at > SWIPE_WITHIN || !getSelection().isCollapsed) return;
  const { clientX, clientY } = event.changedTouches[0];
  const across = clientX - start.x;
  if (Math.abs(across) < SWIPE_AT_LEAST || Math.abs(across) < 2 * Math.abs(clientY - start.y)) return;
  turn(across < 0 ? "next" : "previous");
}

function bindPageBox(form) {
  const box = form.elements.page_number;
  const here = box.value;
  box.addEventListener("focus", () => box.select());
  box.addEventListener("input", () => {
    box.setCustomValidity("");
    form.toggleAttribute("data-settled", box.value === here);
  });
  form.toggleAttribute("data-settled", true);
  box.addEventListener("invalid", () => box.setCustomValidity(`This book has pages 1 to ${box.max}.`));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (box.value === here) return;
    location.assign(`${form.dataset.pageBox}/${Number(box.value)}`);
  });
}

document.querySelectorAll("button[data-turn]").forEach(asLink);
document.querySelectorAll("[data-page-box]").forEach(bindPageBox);
document.addEventListener("keydown", key);
document.addEventListener("touchstart", touched, { passive: true });
document.addEventListener("touchend", lifted, { passive: true });
