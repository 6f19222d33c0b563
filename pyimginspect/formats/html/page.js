"use strict";

// --- tables: sorting and searching ---------------------------------------------------------------
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  table.querySelectorAll("th button").forEach((button, column) => {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const up = head.getAttribute("aria-sort") === "ascending";
      // Numbers are wanted largest first, names from A.
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const last = first === "ascending" ? "descending" : "ascending";
      const order = head.hasAttribute("aria-sort") ? (up ? "descending" : "ascending") : first;
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      rows.sort((a, b) => sign * compare(valueOf(a.cells[column]), valueOf(b.cells[column])));
      body.append(...rows);
    });
  });
}

function valueOf(cell) {
  const value = cell.dataset.value;
  return value === undefined ? cell.textContent.trim() : Number(value);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

for (const input of document.querySelectorAll("input[data-table]")) {
  const table = document.getElementById(input.dataset.table);
  const status = document.querySelector(`[data-count="${input.dataset.table}"]`);
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const search = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, number) => {
      row.hidden = !words.every((word) => texts[number].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    status.textContent = words.length ? `${shown} of ${rows.length}` : `${rows.length}`;
  };
  input.addEventListener("input", search);
  search();
}

// In a narrow window rows are cards (page.css), whose cells name themselves.
for (const table of document.querySelectorAll("table.sortable")) {
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  for (const row of table.tBodies[0].rows) {
    [...row.cells].forEach((cell, column) => { cell.dataset.label = names[column]; });
  }
}

// --- findings: one list, narrowed by words and by what they are about -----------------------------
const tools = document.getElementById("finding-tools");
const items = [...document.querySelectorAll("li.finding")];
if (tools) {
  tools.hidden = false;
  const input = document.getElementById("finding-search");
  const selects = [...tools.querySelectorAll("select")];
  const count = document.getElementById("finding-count");
  const texts = items.map((item) => item.textContent.toLowerCase());
  const narrow = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, number) => {
      const fits = words.every((word) => texts[number].includes(word))
        && selects.every((select) => !select.value
          || item.dataset[select.dataset.filter].split(" ").includes(select.value));
      item.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    count.textContent = shown === items.length ? `${items.length}` : `${shown} of ${items.length}`;
  };
  tools.addEventListener("input", narrow);
  tools.addEventListener("reset-filters", () => {
    input.value = "";
    for (const select of selects) select.value = "";
    narrow();
  });
  narrow();
}

// --- edits: what to paste is copied whole, or selected where a browser does not let us copy ---------
for (const button of document.querySelectorAll("button.copy")) {
  const place = document.getElementById(button.dataset.copy);
  const status = document.getElementById("copied");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(place.textContent);
      status.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(place);
      status.textContent = "Selected: press Ctrl+C or ⌘C to copy.";
    }
  });
}

// Paper has no folds to open.
const folded = [];
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details:not([open])")) {
    fold.open = true;
    folded.push(fold);
  }
});
addEventListener("afterprint", () => {
  for (const fold of folded.splice(0)) fold.open = false;
});

// --- links: what they lead to must be visible ----------------------------------------------------
function reveal() {
  let id = location.hash.slice(1);
  try {
    id = decodeURIComponent(id);
  } catch {
    return;
  }
  const target = id && document.getElementById(id);
  if (!target) return;
  const fold = target.closest("details");
  if (fold) fold.open = true;
  if (target.closest("li.finding")?.hidden) tools.dispatchEvent(new Event("reset-filters"));
  if (target.hidden) {
    const input = document.querySelector(`input[data-table="${target.closest("table").id}"]`);
    input.value = "";
    input.dispatchEvent(new Event("input"));
  }
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();

// --- the map -------------------------------------------------------------------------------------
const svg = document.getElementById("map");
if (svg) drawMap(JSON.parse(document.getElementById("map-data").textContent));

function drawMap(data) {
  const SVG = "http://www.w3.org/2000/svg";
  const WASTED = new Set(["overwritten", "removed", "repeated"]);
  const HEADER = 18;
  const status = document.getElementById("map-status");
  const crumbs = document.getElementById("crumbs");
  const root = buildTree(data);
  let here = root;
  let only = null;

  function buildTree({ areas, layers, uses }) {
    const node = (name, parent, path, layer) => ({
      name, parent, path, layer, size: 0, files: 0, uses: new Map(), children: new Map(),
    });
    const top = node("image", null, "", null);
    for (const [layer, path, size, use, files] of areas) {
      let at = top;
      const steps = [[`layer ${layer}`, ""]];
      let sofar = "";
      for (const part of path ? path.split("/") : []) {
        sofar = sofar ? `${sofar}/${part}` : part;
        steps.push([part, sofar]);
      }
      if (files) steps.push([files === 1 ? "1 small file" : `${files} small files`, path]);
      const rest = files > 0;
      steps.forEach(([name, where], depth) => {
        add(at, size, uses[use]);
        // A rest is distinguished from a file of that name, and from a rest with another use.
        const key = rest && depth === steps.length - 1 ? `\0${use}` : name;
        let child = at.children.get(key);
        if (!child) at.children.set(key, (child = node(name, at, where, layer)));
        at = child;
      });
      add(at, size, uses[use]);
      at.files = files;
    }
    for (const [number, child] of [...top.children.values()].map((c) => [c.layer, c])) {
      child.instruction = layers[number] || "";
    }
    return top;
  }

  function add(node, size, use) {
    node.size += size;
    node.uses.set(use, (node.uses.get(use) || 0) + size);
  }

  function childrenOf(node) {
    return [...node.children.values()].filter((child) => child.size > 0).sort((a, b) => b.size - a.size);
  }

  // A directory that holds one directory and nothing else is one step, not two.
  function lead(node) {
    while (node.parent && node.children.size === 1) {
      const [child] = node.children.values();
      if (!child.children.size) break;
      node = child;
    }
    return node;
  }

  function mainUse(node) {
    let best = "live";
    let most = -1;
    for (const [use, size] of node.uses) if (size > most) [best, most] = [use, size];
    return best;
  }

  function bytes(number) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let unit = 0;
    while (number >= 1000 && unit < units.length - 1) {
      number /= 1000;
      unit += 1;
    }
    return `${unit ? number.toFixed(1) : number} ${units[unit]}`;
  }

  function describe(node) {
    const uses = [...node.uses].sort((a, b) => b[1] - a[1]);
    const what = uses.length === 1 ? uses[0][0] : uses.map(([u, s]) => `${u} ${bytes(s)}`).join(", ");
    const where = node.path ? `${node.path}${node.files ? ` (${node.name})` : ""}` : node.name;
    const layer = node.layer === null || !node.path ? "" : `, layer ${node.layer}`;
    return `${where}${layer}: ${bytes(node.size)} (${what})${node.instruction ? `: ${node.instruction}` : ""}`;
  }

  // Squarified treemap: Bruls, Huizing, van Wijk (2000). Rows along the shorter side, each as long
  // as its worst ratio of sides gets better.
  function squarify(nodes, x, y, width, height) {
    const total = nodes.reduce((sum, node) => sum + node.size, 0);
    const scale = (width * height) / total;
    const places = [];
    let start = 0;
    while (start < nodes.length && width > 0 && height > 0) {
      const side = Math.min(width, height);
      let end = start;
      let area = 0;
      let worst = Infinity;
      while (end < nodes.length) {
        const next = area + nodes[end].size * scale;
        const large = nodes[start].size * scale;
        const small = nodes[end].size * scale;
        const ratio = Math.max((side * side * large) / (next * next), (next * next) / (side * side * small));
        if (ratio > worst) break;
        [worst, area, end] = [ratio, next, end + 1];
      }
      const depth = area / side;
      let offset = 0;
      for (let n = start; n < end; n += 1) {
        const length = (nodes[n].size * scale) / depth;
        places.push(width >= height
          ? [nodes[n], x, y + offset, depth, length]
          : [nodes[n], x + offset, y, length, depth]);
        offset += length;
      }
      if (width >= height) [x, width] = [x + depth, width - depth];
      else [y, height] = [y + depth, height - depth];
      start = end;
    }
    return places;
  }

  function element(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // Names lie above all tiles, outside of them: a tile's own name says more (aria-label).
  const labels = element("g", { "aria-hidden": "true", class: "labels" });

  function label(text, x, y, width, kind) {
    const room = Math.floor((width - 8) / 7.2);
    if (room < 3) return;
    const short = text.length > room ? `${text.slice(0, room - 1)}…` : text;
    labels.append(element("text", { x: x + 4, y: y + 13, class: kind }, short));
  }

  function tile(parent, node, x, y, width, height, depth) {
    if (width < 2 || height < 2) return;
    const target = lead(node);
    const inner = childrenOf(target);
    const open = inner.length && depth < 8 && width > 64 && height > 52;
    const use = mainUse(node);
    const group = element("g", {
      class: `tile ${open ? "dir" : ""}`, tabindex: "-1", role: "treeitem", "aria-label": describe(node),
    });
    if (inner.length) group.setAttribute("aria-expanded", String(Boolean(open)));
    group.append(element("rect", open ? { x, y, width, height } : { x, y, width, height, class: use }));
    if (!open && WASTED.has(use)) group.append(element("rect", { x, y, width, height, fill: "url(#wasted)" }));
    if (only && !node.uses.has(only)) group.classList.add("dim");
    if (height > 15) {
      // The name of what was passed over in one step, too.
      let name = node.name;
      if (target !== node) {
        name = node.path ? target.path.slice(node.path.length - node.name.length) : `${name}: ${target.path}`;
      }
      label(`${name} ${bytes(node.size)}`, x, y, width, open ? "open" : "");
    }
    group.node = node;
    parent.append(group);
    if (open) {
      const parts = element("g", { role: "group" });
      for (const [child, ...place] of squarify(inner, x + 2, y + HEADER, width - 4, height - HEADER - 2)) {
        tile(parts, child, ...place, depth + 1);
      }
      group.append(parts);
    }
  }

  function show(node, focus) {
    here = node;
    const width = svg.clientWidth || 900;
    const height = svg.clientHeight || 480;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    const hatch = element("pattern", { id: "wasted", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    hatch.append(element("rect", { width: 2, height: 6, fill: "#0003" }));
    const defs = element("defs", {});
    defs.append(hatch);
    svg.append(defs);
    const nodes = childrenOf(lead(here));
    labels.replaceChildren();
    if (!nodes.length) label("nothing is stored here", 0, 0, width, "open");
    else for (const [child, ...place] of squarify(nodes, 0, 0, width, height)) tile(svg, child, ...place, 1);
    svg.append(labels);
    const first = tops()[0];
    if (first) first.setAttribute("tabindex", "0");
    if (focus && first) first.focus();
    trail();
    status.textContent = describe(here);
  }

  function tops() {
    return [...svg.children].filter((child) => child.classList.contains("tile"));
  }

  function trail() {
    const path = [];
    for (let node = here; node; node = node.parent) path.unshift(node);
    crumbs.replaceChildren(...path.map((node, number) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "plain";
      button.textContent = node.name;
      button.disabled = number === path.length - 1;
      button.addEventListener("click", () => show(node));
      return button;
    }));
  }

  function enter(node, focus) {
    // There is nothing to go into in a file: its directory is as near as one gets.
    const target = node.children.size ? lead(node) : node.parent;
    if (target !== here && target !== lead(here)) show(target, focus);
    if (!node.children.size) status.textContent = describe(node);
  }

  svg.addEventListener("click", (event) => {
    const hit = event.target.closest(".tile");
    if (hit) enter(hit.node);
  });
  svg.addEventListener("mousemove", (event) => {
    const hit = event.target.closest(".tile");
    if (hit) status.textContent = describe(hit.node);
  });
  // Not on the drawing itself: Chromium lets the Tab key stop at SVG that listens for focus.
  svg.parentElement.addEventListener("focusin", (event) => {
    const hit = event.target.closest(".tile");
    if (hit) status.textContent = describe(hit.node);
  });
  svg.addEventListener("keydown", (event) => {
    const hit = event.target.closest(".tile");
    if (!hit) return;
    const all = tops();
    const at = all.indexOf(hit);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) {
      const next = all[(at + step + all.length) % all.length];
      hit.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      enter(hit.node, true);
    } else if (event.key === "Escape" || event.key === "Backspace") {
      if (here.parent) show(above(here), true);
    } else {
      return;
    }
    event.preventDefault();
  });

  // Out of a directory, past those that were entered in one step with it.
  function above(node) {
    let up = node.parent;
    while (up.parent && lead(up) === node) up = up.parent;
    return up;
  }

  const legend = document.getElementById("legend");
  for (const use of data.uses) {
    const size = root.uses.get(use);
    if (!size) continue;
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.setAttribute("aria-pressed", "false");
    const swatch = element("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
    swatch.append(element("rect", { width: 10, height: 10, class: use }));
    button.append(swatch, ` ${use} ${bytes(size)}`);
    button.addEventListener("click", () => {
      only = only === use ? null : use;
      for (const other of legend.querySelectorAll("button")) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", String(only === use));
      show(here);
    });
    item.append(button);
    legend.append(item);
  }

  // Links from elsewhere: to a layer, or to the nearest directory of a path that the map has.
  function find(layer, path) {
    let best = root;
    for (const top of root.children.values()) {
      if (layer !== null && top.layer !== layer) continue;
      let at = top;
      for (const part of path ? path.split("/") : []) {
        const next = at.children.get(part);
        if (!next || !next.children.size) break;
        at = next;
      }
      if (best === root || at.path.length > best.path.length) best = at;
    }
    return best;
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-layer], a.path");
    if (!link) return;
    const layer = link.dataset.layer === undefined ? null : Number(link.dataset.layer);
    show(lead(find(layer, link.classList.contains("path") ? link.textContent : "")));
  });

  addEventListener("resize", () => show(here));
  show(root);
}
