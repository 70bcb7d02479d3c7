// data-forms: which fields of a form are filled in, once each, and that it was sent. Never a value.

if ("forms" in options) {
  const touched = new WeakSet();
  // By attributes: a form's fields hide its own properties when they are named like them.
  const named = (element) => (element && (element.getAttribute("name") || element.getAttribute("id"))) || undefined;

  listen("input", (target) => {
    if (touched.has(target)) return;
    touched.add(target);
    report("form_interaction", { form: named(target.form), field: named(target) || target.localName });
  });
  listen("submit", (target) => report("form_submit", { form: named(target) }));
}
