// The visitor's choice on the privacy page. The tracker stores it; if there is no tracker, nothing is counted.

const choice = document.querySelector("[data-choice]");
const note = document.querySelector("[data-note]");
const WORDS = {
  out: "This browser is no longer counted.",
  in: "This browser is counted from now on.",
};

function choose(event) {
  const button = event.target.closest("[data-opt]");
  if (!button) return;
  const { opt } = button.dataset;
  if (opt === "out") window.littlestats.optOut();
  else window.littlestats.optIn();
  note.textContent = WORDS[opt];
}

if (window.littlestats) {
  choice.hidden = false;
  choice.addEventListener("click", choose);
} else {
  note.textContent = "This browser is not counted: it asks not to be counted, or it blocks the script.";
}
