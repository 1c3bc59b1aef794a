"use strict";
// Paper has no summaries to press: how to read a table is printed with it.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details.card:not([open])")];
  for (const card of opened) card.open = true;
});
addEventListener("afterprint", () => {
  for (const card of opened) card.open = false;
});
// Tables sort by the column whose head is pressed: numbers by their value, words by the alphabet, what is missing last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const table = head.closest("table");
    const place = head.cellIndex;
    // the first press of figures shows the highest on top
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const other = first === "descending" ? "ascending" : "descending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    for (const one of table.querySelectorAll("th")) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const compare = (a, b) => {
      const [x, y] = [a.cells[place], b.cells[place]];
      const missing = x.classList.contains("missing") - y.classList.contains("missing");
      if (missing) return missing;
      const [u, v] = [x.dataset.value, y.dataset.value];
      if (u !== undefined && v !== undefined) return sign * (Number(u) - Number(v));
      return sign * x.textContent.localeCompare(y.textContent, undefined, { numeric: true });
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  });
}
