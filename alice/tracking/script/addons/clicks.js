// data-clicks: which element was clicked, and where a link leads. Never what is written on it.

if ("clicks" in options) {
  listen("click", (target) => {
    const element = target.closest("a,button,input,label,select,summary,textarea,[role]") || target;
    const link = target.closest("a[href]");
    report("click", {
      element: [element.localName + (element.id && "#" + element.id), ...element.classList].join("."),
      // An address of another kind may be somebody's e-mail or telephone number.
      href: link && /^http/.test(link.href) ? link.href.split(/[?#]/)[0] : undefined,
    });
  });
}
