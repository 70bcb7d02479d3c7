// Formats book codes as XXXX-XXXX-XXXX while they are typed or pasted; the caret keeps its place.

const LENGTH = 12;

const letters = (text) => text.toUpperCase().replace(/[^A-Z0-9]/g, "");
const grouped = (text) => letters(text).slice(0, LENGTH).match(/.{1,4}/g)?.join("-") ?? "";

function format(input) {
  const before = letters(input.value.slice(0, input.selectionStart)).length;
  const text = grouped(input.value);
  if (text === input.value) return;
  input.value = text;
  const caret = Math.min(before + Math.max(0, Math.ceil(before / 4) - 1), text.length);
  input.setSelectionRange(caret, caret);
}

for (const input of document.querySelectorAll("[data-code]")) {
  input.addEventListener("input", (event) => event.isComposing || format(input));
  input.addEventListener("compositionend", () => format(input));
  input.value = grouped(input.value);
}
