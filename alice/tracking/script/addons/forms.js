// data-forms: which fields of a form are filled in, once each, and that it was submitted. Never a value.

if ("forms" in options) {
  const touched = new WeakSet();
  // By attributes, because a field called "name" or "id" hides the form's own property.
  const named = (element) => (element && (element.getAttribute("name") || element.getAttribute("id"))) || undefined;

  listen("input", (target) => {
    if (touched.has(target)) return;
    touched.add(target);
    report("form_interaction", { form: named(target.form), field: named(target) || target.localName });
  });
  listen("submit", (target) => report("form_submit", { form: named(target) }));
}
