(() => {
  const table = document.getElementById("rows");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({
    row,
    status: row.dataset.status,
    number: Number(row.dataset.number),
    words: row.textContent.toLowerCase(),
  }));
  const search = document.getElementById("search");
  const count = document.getElementById("count");
  const none = document.getElementById("none");
  document.querySelector(".controls").hidden = false;

  function filter() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const status = document.querySelector("input[name=status]:checked").value;
    let shown = 0;
    for (const one of rows) {
      const fits = (!status || one.status === status) && wanted.every((word) => one.words.includes(word));
      one.row.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown === rows.length ? `${shown} items` : `${shown} of ${rows.length} items`;
    none.hidden = shown > 0;
  }
  search.addEventListener("input", filter);
  for (const choice of document.querySelectorAll("input[name=status]")) choice.addEventListener("change", filter);

  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  function compare(column, kind, way) {
    return (a, b) => {
      const [one, other] = [a.row.cells[column], b.row.cells[column]];
      if (kind === "text") return way * order.compare(one.textContent, other.textContent) || a.number - b.number;
      const [x, y] = [one.dataset.value, other.dataset.value];
      // What is not known is last, whichever way.
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined) || a.number - b.number;
      return way * (Number(x) - Number(y)) || a.number - b.number;
    };
  }
  const heads = [...table.tHead.rows[0].cells];
  for (const [column, head] of heads.entries()) {
    const kind = head.dataset.sort;
    if (!kind) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const first = kind === "number" ? "descending" : "ascending";
      const second = kind === "number" ? "ascending" : "descending";
      const next = head.getAttribute("aria-sort") === first ? second : first;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", next);
      rows.sort(compare(column, kind, next === "ascending" ? 1 : -1));
      const sorted = document.createDocumentFragment();
      for (const one of rows) sorted.append(one.row);
      body.append(sorted);
    });
  }
})();
