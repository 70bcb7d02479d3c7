// data-clicks: which element was clicked, and where a link leads. Never what is written on it.

if ("clicks" in options) {
  // Not closest(), which ends at the edge of a shadow root.
  const nearest = (path, selector) => path.find((element) => element.matches?.(selector));

  listen("click", (target, path) => {
    const element = nearest(path, "a,button,input,label,select,summary,textarea,[role]") || target;
    const link = nearest(path, "a[href]");
    report("click", {
      element: [element.localName + (element.id && "#" + element.id), ...element.classList].join("."),
      // An address of another kind may be somebody's e-mail or telephone number. The origin has no password in it.
      href: link && /^http/.test(link.href) ? link.origin + link.pathname : undefined,
    });
  });
}
