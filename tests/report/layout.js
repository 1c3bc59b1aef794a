// What a reader could not see, as sentences. `paper`: nothing scrolls there.
(paper) => {
  const problems = [];
  const shown = (one) => one.checkVisibility() && one.getClientRects().length > 0;
  const name = (one) => `${one.tagName} ${one.textContent.trim().slice(0, 60)}`;
  const edges = (one) => one.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) problems.push("the page is wider than the window");

  for (const box of document.querySelectorAll(".table")) {
    if (!shown(box)) continue;
    const table = box.querySelector("table");
    const edge = edges(box);
    if (edge.right > width + 1) problems.push(`leaves the window: ${table.id}`);
    if (box.scrollWidth <= box.clientWidth) continue;
    if (paper || getComputedStyle(box).overflowX !== "auto") {
      problems.push(`cut: ${table.id}`);
      continue;
    }
    // the box scrolls: the name and the first figure are seen before that, and the name after it too
    const rows = [...table.tBodies[0].rows];
    const figures = rows.map((row) => [...row.cells].find((cell) => cell.classList.contains("number")));
    if (figures.some((cell) => cell && edges(cell).right > edge.right + 1)) {
      problems.push(`figure out of sight: ${table.id}`);
    }
    box.scrollLeft = box.scrollWidth;
    if (rows.some((row) => edges(row.cells[0]).left < edge.left - 1)) problems.push(`name out of sight: ${table.id}`);
    box.scrollLeft = 0;
  }

  // no text is cut, and no two texts or pictures lie on each other
  const texts = "h1, h2, h3, p, dt, dd, li, figcaption, summary, figure img, th, td, nav a";
  const parts = [...document.querySelectorAll(texts)].filter(shown);
  for (const one of parts) {
    const inline = getComputedStyle(one).display === "inline";
    if (!inline && one.scrollWidth > one.clientWidth + 1) problems.push(`cut text: ${name(one)}`);
  }
  const table = (one) => one.closest(".table");
  // what scrolls in a box is seen in the box alone
  const right = (one) => Math.min(edges(one).right, edges(one.closest(".table, .drawing") ?? one).right);
  const byTop = parts.map((one) => [one, edges(one)]).sort((a, b) => a[1].top - b[1].top);
  byTop.forEach(([one, a], place) => {
    for (let next = place + 1; next < byTop.length && byTop[next][1].top < a.bottom - 2; next++) {
      const [other, b] = byTop[next];
      const together = one.contains(other) || other.contains(one) || (table(one) && table(one) === table(other));
      if (!together && a.left < right(other) - 2 && b.left < right(one) - 2) {
        problems.push(`${name(one)} lies on ${name(other)}`);
      }
    }
  });
  return problems;
}
