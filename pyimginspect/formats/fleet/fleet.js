"use strict";

const ROWS = 25;

async function unpack() {
  const text = document.getElementById("data").textContent.trim();
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

// --- words ----------------------------------------------------------------------------------------
function size(number) {
  for (const unit of ["B", "kB", "MB", "GB", "TB", "PB"]) {
    if (Math.abs(number) < 1000 || unit === "PB") {
      return unit === "B" ? `${number} B` : `${number.toFixed(1)} ${unit}`;
    }
    number /= 1000;
  }
}

const count = (number) => number.toLocaleString("en");

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function link(text, kind, number) {
  const made = element("a", text);
  made.href = `#${kind}-${number}`;
  return made;
}

// --- tables ---------------------------------------------------------------------------------------
// A column: title, value of a row (a number, or text to search and sort by), and what is shown.
const text = (title, value, show) => ({ title, value, show, number: false });
const amount = (title, value, show = count) => ({ title, value, show, number: true });

function cellOf(column, row) {
  const cell = element("td", undefined, column.number ? "number" : "");
  const value = column.value(row);
  const shown = column.show ? column.show(value, row) : value;
  if (shown instanceof Node) cell.append(shown);
  else cell.textContent = shown;
  if (column.number && !value) cell.classList.add("cell0");
  return cell;
}

function table(place, columns, rows, { none = "None.", order = null } = {}) {
  place.replaceChildren();
  if (!rows.length) {
    place.append(element("p", none));
    return;
  }
  let shown = rows;
  let page = 0;
  let sorted = order;
  const tools = element("div", undefined, "tools");
  const search = element("input");
  search.type = "search";
  search.placeholder = "Search";
  search.setAttribute("aria-label", "Search this table");
  const status = element("span", "", "soft");
  status.setAttribute("role", "status");
  tools.append(search, status);
  const scroll = element("div", undefined, "scroll");
  const made = element("table");
  const head = made.createTHead().insertRow();
  const body = made.createTBody();
  scroll.append(made);
  const pager = element("div", undefined, "pager");
  const back = element("button", "Previous", "plain");
  const next = element("button", "Next", "plain");
  pager.append(back, next);
  for (const column of columns) {
    const cell = element("th", undefined, column.number ? "number" : "");
    cell.scope = "col";
    const button = element("button", column.title);
    button.addEventListener("click", () => {
      const first = column.number ? "descending" : "ascending";
      const other = column.number ? "ascending" : "descending";
      const now = cell.getAttribute("aria-sort") === first ? other : first;
      for (const each of head.cells) each.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", now);
      sorted = { column, sign: now === "ascending" ? 1 : -1 };
      fill();
    });
    cell.append(button);
    head.append(cell);
  }
  const matches = (row, words) => {
    const all = columns.map((column) => String(column.value(row))).join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  };
  function fill() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = words.length ? rows.filter((row) => matches(row, words)) : [...rows];
    if (sorted) {
      const { column, sign } = sorted;
      const compare = (a, b) =>
        typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
      shown.sort((a, b) => sign * compare(column.value(a), column.value(b)));
    }
    page = 0;
    draw();
  }
  function draw() {
    const first = page * ROWS;
    const last = Math.min(first + ROWS, shown.length);
    body.replaceChildren();
    for (const row of shown.slice(first, last)) {
      body.insertRow().append(...columns.map((column) => cellOf(column, row)));
    }
    const of = shown.length === rows.length ? "" : ` (of ${count(rows.length)})`;
    status.textContent = shown.length
      ? `${count(first + 1)} to ${count(last)} of ${count(shown.length)}${of}`
      : `0${of}`;
    back.disabled = page === 0;
    next.disabled = last >= shown.length;
    pager.hidden = shown.length <= ROWS;
  }
  back.addEventListener("click", () => { page -= 1; draw(); });
  next.addEventListener("click", () => { page += 1; draw(); });
  search.addEventListener("input", fill);
  if (rows.length > ROWS) place.append(tools);
  place.append(scroll, pager);
  fill();
}

// --- the fleet ------------------------------------------------------------------------------------
const IMAGE = { name: 0, others: 1, platform: 2, base: 3, size: 4, wasted: 5, fails: 6, chain: 7, layers: 8, wastedIn: 9, findings: 10, page: 11 };

function start(data) {
  const numbered = (rows) => rows.map((row, number) => [...row, number]);
  const last = (row) => row[row.length - 1];
  const severity = (number) => {
    const name = data.severities[number];
    return element("span", name, `severity ${name}`);
  };
  const layerLink = (number) => link(data.layers[number][1] || data.layers[number][0], "layer", number);
  const place = (name) => document.querySelector(`[data-table="${name}"]`);

  const images = numbered(data.images);
  const imageColumns = [
    text("image", (r) => r[IMAGE.name], (value, r) => link(value, "image", last(r))),
    text("platform", (r) => r[IMAGE.platform]),
    text("base", (r) => r[IMAGE.base]),
    amount("size", (r) => r[IMAGE.size], size),
    amount("wasted", (r) => r[IMAGE.wasted], size),
    amount("findings", (r) => r[IMAGE.findings].length),
    text("policy", (r) => (r[IMAGE.fails] ? "fails" : "passes"), (value) => element("span", value, value === "fails" ? "error" : "")),
  ];

  // fixes
  const fixes = numbered(data.fixes);
  const largest = Math.max(1, ...fixes.map((r) => r[7]));
  const withBar = (value) => {
    const made = element("span");
    if (value) made.append(element("span", undefined, `bar w${Math.max(1, Math.ceil((5 * value) / largest))}`));
    made.append(size(value));
    return made;
  };
  const subjects = (r) => r[3].join(", ") + (r[4] > r[3].length ? ` and ${count(r[4] - r[3].length)} more` : "");
  table(place("fixes"), [
    amount("saves, once", (r) => r[7], withBar),
    amount("summed", (r) => r[8], size),
    amount("images", (r) => r[9]),
    text("rule", (r) => data.rules[r[0]], (value, r) => link(value, "fix", last(r))),
    text("severity", (r) => data.severities[r[1]], (_, r) => severity(r[1])),
    text("what", subjects),
    text("made by", (r) => data.layers[r[2]][1] || data.layers[r[2]][0], (_, r) => layerLink(r[2])),
  ], fixes, { none: "Nothing to fix in any layer." });

  // the tree of bases
  const bases = numbered(data.bases);
  const children = new Map();
  for (const base of bases) {
    if (!children.has(base[9])) children.set(base[9], []);
    children.get(base[9]).push(base);
  }
  const tree = [];
  const stack = [...(children.get(-1) || [])].reverse().map((base) => [base, 0]);
  while (stack.length) {
    const [base, depth] = stack.pop();
    tree.push([...base, depth]);
    for (const child of [...(children.get(base[10]) || [])].reverse()) stack.push([child, depth + 1]);
  }
  table(place("bases"), [
    text("base", (r) => r[0] || r[1], (value, r) => {
      const made = element("span");
      const depth = last(r);
      if (depth) made.append(element("span", `${"  ".repeat(Math.min(depth, 12) - 1)}└ `, "tree"));
      made.append(link(value, "base", r[10]));
      return made;
    }),
    amount("images", (r) => r[5]),
    amount("saves, once", (r) => r[8], size),
    amount("wasted", (r) => r[7], size),
    amount("stored", (r) => r[6], size),
    amount("adds layers", (r) => r[3]),
    text("its last layer is made by", (r) => r[2]),
  ], tree, { none: "No two images begin with the same layer." });

  // Pythons
  const pythons = numbered(data.pythons);
  const pythonColumns = (number) => [
    text("Python", (r) => `${r[1] === "cpython" ? "" : `${r[1]} `}${r[0]}`),
    amount("images", (r) => r[number], (value, r) => link(count(value), "python", last(r))),
    text("support ends", (r) => r[6]),
    text("path", (r) => r[3]),
    text("packages", (r) => r[5]),
    text("made by", (r) => data.layers[r[4]][1] || data.layers[r[4]][0], (_, r) => layerLink(r[4])),
  ];
  table(place("old"), pythonColumns(8), pythons.filter((r) => r[7]));
  table(place("second"), pythonColumns(9), pythons.filter((r) => r[9]).sort((a, b) => b[9] - a[9]));

  // rules by group
  const groups = data.groups;
  table(place("groups"), [
    text(groups.by, (r) => r[0]),
    ...groups.rules.map((rule, number) => amount(rule, (r) => r[1][number], (value) => (value ? count(value) : "·"))),
  ], groups.rows);

  const layers = numbered(data.layers);
  table(place("layers"), [
    text("made by", (r) => r[1] || r[0], (value, r) => link(value, "layer", last(r))),
    amount("images", (r) => r[6]),
    amount("stored", (r) => r[2], size),
    amount("wasted in all", (r) => r[4], size),
    amount("wasted in one", (r) => r[5], size),
    amount("blob", (r) => r[3], size),
  ], layers);
  table(place("images"), imageColumns, images);
  table(place("failed"), [
    text("reference", (r) => r[0]),
    text("platform", (r) => r[1]),
    text("status", (r) => r[2]),
    text("why", (r) => r[3]),
  ], data.failed, { none: "All references were inspected." });

  // --- details behind the tables --------------------------------------------------------------
  const detail = document.getElementById("detail");
  function facts(pairs) {
    const list = element("dl", undefined, "facts");
    for (const [name, value] of pairs) {
      const box = element("div");
      const said = element("dd");
      said.append(value);
      box.append(element("dt", name), said);
      list.append(box);
    }
    return list;
  }
  function part(title, columns, rows, options) {
    const box = element("div");
    detail.append(element("h3", title), box);
    table(box, columns, rows, options);
  }
  const having = (test) => images.filter(test);
  const views = {
    image(number) {
      const image = images[number];
      const others = image[IMAGE.others];
      detail.append(element("h2", image[IMAGE.name]));
      if (data.pages) {
        const report = element("a", "The full report");
        report.href = data.pages + image[IMAGE.page];
        const line = element("p");
        line.append(report);
        detail.append(line);
      }
      detail.append(facts([
        ["Platform", image[IMAGE.platform]],
        ["Base", image[IMAGE.base] || "unknown"],
        ["Size", size(image[IMAGE.size])],
        ["Wasted", size(image[IMAGE.wasted])],
        ["Policy", image[IMAGE.fails] ? "fails" : "passes"],
        ["Other names", count(others)],
      ]));
      part("Findings", [
        text("severity", ([f]) => data.severities[f[1]], (_, [f]) => severity(f[1])),
        text("rule", ([f]) => data.rules[f[0]] + (f[5] ? " (waived)" : "")),
        text("what", ([f]) => f[3]),
        amount("saves", (r) => r[1], size),
        text("fix", ([f]) => f[4]),
      ], image[IMAGE.findings].map(([f, saving]) => [data.findings[f], saving]), { none: "No findings." });
      const wastedIn = new Map(image[IMAGE.wastedIn]);
      part("Layers", [
        amount("layer", (r) => r[0]),
        text("made by", (r) => data.layers[r[1]][1], (_, r) => layerLink(r[1])),
        amount("stored", (r) => data.layers[r[1]][2], size),
        amount("wasted here", (r) => r[2], size),
        amount("images", (r) => data.layers[r[1]][6]),
      ], image[IMAGE.layers].map((layer, position) => [position, layer, wastedIn.get(position) || 0]));
    },
    fix(number) {
      const fix = fixes[number];
      detail.append(element("h2", `${data.rules[fix[0]]}: ${size(fix[7])} in one layer of ${count(fix[9])} images`));
      detail.append(element("p", fix[5]));
      if (fix[6]) detail.append(element("p", fix[6], "fix"));
      const made = element("p", "The layer: ");
      made.append(layerLink(fix[2]));
      detail.append(made);
      part("Images", imageColumns, having((image) => image[IMAGE.findings].some(([f]) =>
        data.findings[f][0] === fix[0] && data.findings[f][6].includes(fix[2]))));
    },
    base(number) {
      const base = bases[number];
      const inside = new Set([number]);
      for (const each of tree) if (inside.has(each[9])) inside.add(each[10]);
      detail.append(element("h2", `${base[0] || base[1]}: fix it here, and ${count(base[5])} images follow`));
      detail.append(facts([
        ["Saves, once", size(base[8])],
        ["Wasted in all images", size(base[7])],
        ["Stored", size(base[6])],
        ["Layers", `${base[3]} of its ${base[4]}`],
        ["Chain", base[1]],
      ]));
      part("Images", imageColumns, having((image) => inside.has(image[IMAGE.chain])));
    },
    layer(number) {
      const layer = layers[number];
      detail.append(element("h2", `A layer of ${count(layer[6])} images`));
      detail.append(element("p", layer[1], "fix"));
      detail.append(facts([
        ["Diff ID", layer[0]],
        ["Stored", size(layer[2])],
        ["Wasted in all images", size(layer[4])],
        ["Wasted in one image", size(layer[5])],
      ]));
      part("Images", imageColumns, having((image) => image[IMAGE.layers].includes(number)));
    },
    python(number) {
      const python = pythons[number];
      detail.append(element("h2", `Python ${python[0]} at ${python[3]}`));
      part("Images", imageColumns, having((image) => image[IMAGE.layers].includes(python[4])));
    },
  };
  function show() {
    const [, kind, number] = /^#([a-z]+)-(\d+)$/.exec(location.hash) || [];
    const known = Object.hasOwn(views, kind || "");
    detail.hidden = !known;
    detail.replaceChildren();
    if (!known) return;
    const close = element("button", "Close", "plain");
    close.addEventListener("click", () => { location.hash = ""; });
    views[kind](Number(number));
    detail.append(close);
    detail.scrollIntoView();
    detail.focus({ preventScroll: true });
  }
  addEventListener("hashchange", show);
  show();
}

unpack().then(start).then(
  () => document.getElementById("waiting").remove(),
  (error) => { document.getElementById("waiting").textContent = `The tables cannot be shown: ${error}`; },
);
