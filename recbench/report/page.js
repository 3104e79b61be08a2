// What the page does: tables sort and filter, charts are drawn when seen, examples are opened.
// Texts from data are put in as text, never as markup.

const NUMBER = /^[+-]?\d+(\.\d+)?(?=$|[\s%])/;
const collator = new Intl.Collator("en", { numeric: true });

/** Numbers stand before all else, in their order; other texts as a person would put them. */
function compare(a, b) {
  const one = NUMBER.exec(a);
  const other = NUMBER.exec(b);
  if (one && other) return Number(one[0]) - Number(other[0]);
  if (one || other) return one ? -1 : 1;
  return collator.compare(a, b);
}

/** A dash is what there is not: it stays at the end, however the rest is turned. */
function sort(table, column, descending) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
  const lacks = (one) => one.text === "-";
  rows.sort((a, b) => {
    if (lacks(a) !== lacks(b)) return lacks(a) ? 1 : -1;
    return descending ? compare(b.text, a.text) : compare(a.text, b.text);
  });
  body.append(...rows.map((one) => one.row));
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.ariaSort === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.ariaSort = descending ? "descending" : "ascending";
      sort(table, column, descending);
    });
  });
}

/** Keep the rows that hold every word, in any cell and in either case. */
function filterable(table, tools) {
  const field = tools.querySelector("input");
  const shown = tools.querySelector("output");
  tools.hidden = false;
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    shown.value = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  });
}

function json(script) {
  return JSON.parse(script.textContent);
}

/** Draw a chart when it comes into view: there are many, and most are folded away. */
function drawable() {
  const config = json(document.getElementById("config"));
  const options = { actions: false, ast: true, config, mode: "vega-lite", renderer: "svg" };
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        const spec = json(target.parentElement.querySelector("script"));
        window.vegaEmbed(target, spec, options).catch((error) => console.error(error));
      }
    },
    { rootMargin: "200px" },
  );
  for (const chart of document.querySelectorAll(".chart")) seen.observe(chart);
}

function element(name, text = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...properties });
}

/** What a system made of a candidate: its rank, and whether it is what it wrote. */
function judged(one, slot) {
  const rank = one.ranks ? String(one.ranks[slot]) : "";
  return one.answer === slot ? `${rank} ✓ answered`.trim() : rank || "-";
}

function candidates(example, { places, systems }) {
  const table = element("table");
  const head = table.createTHead().insertRow();
  const titled = example.candidates !== undefined;
  for (const name of ["place", ...(titled ? ["candidate"] : []), ...systems]) {
    const cell = element("th", "", { scope: "col" });
    cell.append(element("button", name, { type: "button" }));
    head.append(cell);
  }
  const body = table.createTBody();
  for (let slot = 0; slot < places; slot += 1) {
    const row = body.insertRow();
    const isTarget = slot === example.slot;
    row.className = isTarget ? "target" : "";
    row.append(element("th", `${slot + 1}${isTarget ? " target" : ""}`, { scope: "row" }));
    if (titled) row.append(element("td", example.candidates[slot], { className: "text" }));
    for (const one of example.by) row.append(element("td", judged(one, slot)));
  }
  sortable(table);
  const label = "Candidates with the rank that each system gave them";
  const frame = element("div", "", { className: "scroll", tabIndex: 0, ariaLabel: label });
  frame.setAttribute("role", "region");
  frame.append(table);
  return frame;
}

const INVALID = { none: "names no candidate", shared: "is the title of several candidates" };

/** What was written, where it was kept, or why it is no answer. */
function written(example, systems) {
  return example.by.flatMap((one, number) => {
    const invalid = INVALID[one.answer];
    if (one.text === undefined && !invalid) return [];
    const line = element("p", `${systems[number]} wrote `);
    line.append(one.text === undefined ? "what " : element("q", one.text), invalid ? ` ${invalid}` : "");
    return [line];
  });
}

/** What the gate of a system gave the user of each expert. */
function weighed(example, systems) {
  return example.by.flatMap((one, number) =>
    one.experts ? [element("p", `${systems[number]} weighed its experts ${one.experts.join(", ")}`)] : [],
  );
}

function shown(number, example, all) {
  const title = element("h4", `Example ${number}, user ${example.user}`, { tabIndex: -1 });
  const parts = [title];
  if (example.history) {
    const list = element("ol");
    list.append(...example.history.map((item) => element("li", item)));
    parts.push(element("p", "History, the oldest first:"), list);
    parts.push(element("p", `Target: ${example.target}`));
  }
  if (all.places) parts.push(candidates(example, all));
  return [...parts, ...written(example, all.systems), ...weighed(example, all.systems)];
}

/** A click on an example's number shows it below; where nothing more is known, it is no button. */
function browsable(part) {
  const all = json(part.querySelector("script"));
  const place = part.querySelector(".chosen");
  const buttons = [];
  for (const row of part.querySelector("tbody").rows) {
    const number = row.cells[0].textContent.trim();
    const example = all.details[number];
    if (!all.places && !example.history) continue;
    const button = element("button", number, { type: "button", ariaExpanded: "false" });
    button.setAttribute("aria-label", `Show example ${number}`);
    row.cells[0].replaceChildren(button);
    buttons.push(button);
    button.addEventListener("click", () => {
      for (const other of buttons) other.ariaExpanded = String(other === button);
      place.replaceChildren(...shown(number, example, all));
      place.firstElementChild.focus();
    });
  }
}

for (const tools of document.querySelectorAll(".tools")) {
  const table = tools.nextElementSibling.querySelector("table");
  sortable(table);
  filterable(table, tools);
}
document.querySelectorAll(".examples").forEach(browsable);
drawable();
