// The visitor's choice on the privacy page. The tracker keeps it; without one nothing is counted anyway.

const choice = document.querySelector("[data-choice]");
const said = document.querySelector("[data-said]");
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
  said.textContent = WORDS[opt];
}

if (window.littlestats) {
  choice.hidden = false;
  choice.addEventListener("click", choose);
} else {
  said.textContent = "This browser is not counted: it asks not to be, or blocks the script.";
}
