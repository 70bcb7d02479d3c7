// data-scroll: when a quarter, a half, three quarters and all of a page have been in view, once each.

if ("scroll" in options) {
  let passed = 0;
  let scrolled;
  on("scroll", () => {
    if (scrolled != page) passed = 0;
    scrolled = page;
    for (; passed + 25 <= depth; report("scroll", { depth: passed })) passed += 25;
  });
}
