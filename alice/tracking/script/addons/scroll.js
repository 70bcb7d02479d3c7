// data-scroll: when a quarter, a half, three quarters and all of a page have been in view, once each.

if ("scroll" in options) {
  let passed = 0;
  let measured;
  on("scroll", () => {
    if (measured != viewedAt) passed = 0;
    measured = viewedAt;
    for (; passed + 25 <= depth; report("scroll", { depth: passed })) passed += 25;
  });
}
