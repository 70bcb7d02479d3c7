// data-clicks: which element was clicked, and where a link leads. Never its text.

if ("clicks" in options) {
  // Not closest(), which does not leave a shadow root.
  const nearest = (path, selector) => path.find((element) => element.matches?.(selector));

  listen("click", (target, path) => {
    const element = nearest(path, "a,button,input,label,select,summary,textarea,[role]") || target;
    const link = nearest(path, "a[href]");
    report("click", {
      element: [element.localName + (element.id && "#" + element.id), ...element.classList].join("."),
      // Only http(s): other URLs may be an e-mail address or a phone number. The origin contains no password.
      href: link && /^http/.test(link.href) ? link.origin + link.pathname : undefined,
    });
  });
}
