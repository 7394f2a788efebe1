// The overview: sort, filter, download. Without a script it is a plain table.

import { csv, make, save, say } from "./dom.js";

export function makeOverview(section) {
  const table = section.querySelector(".rows");
  const rows = [...table.querySelectorAll("tr.one")];
  const heads = [...table.querySelectorAll("tr.person")];
  const body = table.tBodies[0];
  const inOrder = [...body.rows];
  const filter = section.querySelector("#filter");
  const which = section.querySelector("#which");
  const shown = section.querySelector("#n-shown");
  let sorted = { key: "", down: false };
  section.querySelector(".tools").hidden = false;

  const score = (row) => (row.dataset.score === "" ? null : Number(row.dataset.score));
  const values = {
    name: (row) => row.dataset.id, question: (row) => row.dataset.question, score,
  };

  function look() {
    const text = filter.value.trim().toLowerCase();
    let n = 0;
    for (const row of rows) {
      const { id, person, question } = row.dataset;
      const named = `${id} ${person} ${question}`.toLowerCase().includes(text);
      const p = score(row);
      const kind = { all: true, likely: p !== null && p > 0.5, without: p === null }[which.value];
      row.hidden = !(named && kind);
      n += row.hidden ? 0 : 1;
    }
    for (const head of heads) {
      let own = head.nextElementSibling;
      let any = false;
      while (own && own.classList.contains("one")) {
        any ||= !own.hidden;
        own = own.nextElementSibling;
      }
      head.hidden = Boolean(sorted.key) || !any;
    }
    shown.textContent = say("n_shown", { n, all: rows.length });
  }

  function sort(key) {
    if (sorted.key !== key) sorted = { key, down: key === "score" };
    else if (sorted.down === (key === "score")) sorted = { key, down: !sorted.down };
    else sorted = { key: "", down: false };
    if (sorted.key) {
      const value = values[key];
      const order = [...rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        // What has no score stands last, either way.
        if (x === null || y === null) return (x === null) - (y === null);
        const way = typeof x === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true });
        return sorted.down ? -way : way;
      });
      body.append(...heads, ...order);
    } else body.append(...inOrder);
    for (const head of table.querySelectorAll("[data-sort]")) {
      const on = head.dataset.sort === sorted.key;
      head.setAttribute("aria-sort", on ? (sorted.down ? "descending" : "ascending") : "none");
    }
    look();
  }

  for (const head of table.querySelectorAll("[data-sort]")) {
    const button = make("button", { type: "button", class: "sort" }, head.textContent);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(head.dataset.sort));
  }
  filter.addEventListener("input", look);
  which.addEventListener("change", look);
  section.querySelector("#table-csv").addEventListener("click", () => {
    const names = [...table.tHead.rows[1].cells].map((cell) => `cues_${cell.textContent.trim()}`);
    const head = ["id", "person", "question", "status", "score", "question_alone", ...names, "reason"];
    const kept = [...body.rows].filter((row) => row.classList.contains("one") && !row.hidden);
    const lines = kept.map(({ dataset: d }) => [d.id, d.person, d.question, d.status, d.score, d.alone, ...d.counts.split(","), d.reason]);
    save("answers_shown.csv", "text/csv", csv([head, ...lines]));
  });
  for (const row of rows) {
    row.addEventListener("click", (event) => {
      if (!event.target.closest("a")) row.querySelector("a").click();
    });
  }
  look();
}
