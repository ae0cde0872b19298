// Who came from whom. Above, every program as a dot; below, an outline that unfolds, for keyboards
// and screen readers too. Only what is unfolded is in the page, so 20,000 programs are no burden.

import { count, h, number, put } from "./dom.js";

const CHILDREN = 25;

// Columns as a family: children of each program, its best descendant, the line to the champion.
function family(data) {
  const { id, parent, value, rung } = data.columns;
  const at = new Map(id.map((one, i) => [one, i]));
  const children = id.map(() => []);
  const sign = data.objective.direction === "min" ? -1 : 1;
  const rank = id.map((_, i) => [rung[i], value[i] === null ? -Infinity : sign * value[i]]);
  const less = (a, b) => rank[a][0] - rank[b][0] || rank[a][1] - rank[b][1] || 0;
  const best = id.map((_, i) => i);
  const size = id.map(() => 1);
  const roots = [];
  const above = parent.map((one, i) => { const up = at.get(one); return up < i ? up : undefined; });
  for (let i = id.length - 1; i >= 0; i--) {
    const up = above[i];
    if (up === undefined) { roots.unshift(i); continue; }
    children[up].push(i);
    size[up] += size[i];
    if (less(best[up], best[i]) < 0) best[up] = best[i];
  }
  const line = new Set(data.line.map((one) => at.get(one)));
  const order = (a, b) => line.has(b) - line.has(a) || less(best[b], best[a]) || a - b;
  for (const list of children) list.sort(order);
  return { at, above, children, best, size, roots: roots.sort(order), line };
}

function map(canvas, data, kin, onpick) {
  const { id, parent, generation } = data.columns;
  const width = canvas.clientWidth || 700;
  const height = Math.min(320, Math.max(160, width * 0.4));
  const ratio = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  canvas.style.height = `${height}px`;
  const style = getComputedStyle(document.documentElement);
  const [ink, soft, mark] = ["--ink", "--soft", "--best"].map((name) => style.getPropertyValue(name));
  const deepest = generation.reduce((a, b) => Math.max(a, b), 1);
  const last = id.at(-1) ?? 1;
  const x = (i) => 8 + (width - 16) * (id[i] / last);
  const y = (i) => 12 + (height - 24) * (generation[i] / deepest);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.strokeStyle = soft;
  pen.globalAlpha = id.length > 3000 ? 0.08 : id.length > 500 ? 0.2 : 0.4;
  pen.lineWidth = 0.6;
  pen.beginPath();
  for (let i = 0; i < id.length; i++) {
    const up = kin.at.get(parent[i]);
    if (up !== undefined) { pen.moveTo(x(up), y(up)); pen.lineTo(x(i), y(i)); }
  }
  pen.stroke();
  pen.globalAlpha = 0.55;
  pen.fillStyle = soft;
  for (let i = 0; i < id.length; i++) pen.fillRect(x(i) - 1, y(i) - 1, 2, 2);
  pen.globalAlpha = 1;
  [pen.strokeStyle, pen.fillStyle, pen.lineWidth] = [mark, ink, 2.5];
  const line = data.line.map((one) => kin.at.get(one)).filter((i) => i !== undefined);
  pen.beginPath();
  line.forEach((i, n) => (n ? pen.lineTo(x(i), y(i)) : pen.moveTo(x(i), y(i))));
  pen.stroke();
  for (const i of line) pen.fillRect(x(i) - 2.5, y(i) - 2.5, 5, 5);
  canvas.onclick = (event) => {
    const [px, py] = [event.offsetX, event.offsetY];
    let [nearest, apart] = [-1, 150];
    for (let i = 0; i < id.length; i++) {
      const d = (x(i) - px) ** 2 + (y(i) - py) ** 2;
      if (d < apart) [nearest, apart] = [i, d];
    }
    if (nearest >= 0) onpick(nearest);
  };
}

export function tree({ run, get }) {
  const canvas = h("canvas", { role: "img", "aria-label": "every program by the order of its birth and its generation, the champion's line thick; the outline below says the same" });
  const [about, outline] = [h("p", { class: "soft" }), h("ul", { role: "tree", "aria-label": "Family tree" })];
  const jump = h("input", { type: "search", inputmode: "numeric", "aria-label": "program number", placeholder: "program number", onchange: () => reveal(kin.at.get(Number(jump.value))) });
  let [data, kin] = [null, null];
  const open = new Map(); // program number -> how many children are shown
  let focus = null;

  const label = (i) => {
    const { id, value, proposer, operator } = data.columns;
    const [who, how] = [data.proposers[proposer[i]], data.operators[operator[i]]];
    return [h("a", { class: "num", tabindex: -1, href: `#/run/${encodeURIComponent(run)}/program/${id[i]}` }, id[i]), h("span", { class: "val" }, number(value[i])),
      h("span", {}, how && how !== who ? `${who} ${how}` : who),
      kin.size[i] > 1 && h("span", { class: "soft" }, `${count(kin.size[i] - 1)} came from it, the best ${number(value[kin.best[i]])}`),
      id[i] === data.champion && h("strong", {}, "champion"), banned.has(id[i]) && h("strong", { class: "worse" }, "banned")];
  };
  let banned = new Set();

  function item(i, level) {
    const { id } = data.columns;
    const inner = kin.children[i];
    const many = open.get(id[i]) ?? 0;
    const node = h("li", { role: "treeitem", "aria-level": level, "aria-expanded": inner.length ? String(many > 0) : null, tabindex: -1, key: `node-${id[i]}`, class: kin.line.has(i) ? "line" : null },
      h("div", { class: "node", onclick: (event) => { if (event.target.tagName !== "A") { focus = `node-${id[i]}`; toggle(id[i]); } } },
        h("span", { class: "fold", "aria-hidden": "true" }, inner.length ? (many ? "-" : "+") : ""), label(i)));
    if (many) {
      const group = h("ul", { role: "group" }, inner.slice(0, many).map((child) => item(child, level + 1)));
      if (inner.length > many) group.append(h("li", { role: "treeitem", "aria-level": level + 1, tabindex: -1, key: `more-${id[i]}` },
        h("div", { class: "node", onclick: () => more(id[i]) }, h("span", { class: "fold" }, "+"), `${count(inner.length - many)} more`)));
      node.append(group);
    }
    return node;
  }

  function draw() {
    const held = outline.contains(document.activeElement);
    outline.replaceChildren(...kin.roots.slice(0, 200).map((i) => item(i, 1)));
    const items = [...outline.querySelectorAll("[role=treeitem]")];
    const at = items.find((one) => one.dataset.key === focus) ?? items[0];
    if (at) { at.tabIndex = 0; if (held) at.focus({ preventScroll: true }); }
  }
  const toggle = (id) => { open.has(id) ? open.delete(id) : open.set(id, CHILDREN); draw(); };
  const more = (id) => { open.set(id, open.get(id) + CHILDREN); draw(); };

  function reveal(i) {
    if (i === undefined) return;
    const { id } = data.columns;
    for (let up = kin.above[i], below = i; up !== undefined; below = up, up = kin.above[up]) {
      open.set(id[up], Math.max(open.get(id[up]) ?? CHILDREN, kin.children[up].indexOf(below) + 1));
    }
    focus = `node-${id[i]}`;
    draw();
    const node = outline.querySelector(`[data-key="node-${id[i]}"]`);
    node.focus();
    node.scrollIntoView({ block: "center" });
  }

  // The keys of a tree as the ARIA authoring practices have them.
  function pressed(event) {
    const items = [...outline.querySelectorAll("[role=treeitem]")];
    const now = items.indexOf(document.activeElement);
    if (now < 0) return;
    const node = items[now];
    const [kind, id] = node.dataset.key.split("-");
    const go = (to) => { if (to) { for (const one of items) one.tabIndex = -1; to.tabIndex = 0; focus = to.dataset.key; to.focus(); } };
    const folded = node.getAttribute("aria-expanded");
    const keys = {
      ArrowDown: () => go(items[now + 1]), ArrowUp: () => go(items[now - 1]), Home: () => go(items[0]), End: () => go(items.at(-1)),
      ArrowRight: () => (kind === "more" ? more(Number(id)) : folded === "false" ? toggle(Number(id)) : folded === "true" && go(items[now + 1])),
      ArrowLeft: () => (folded === "true" ? toggle(Number(id)) : go(node.parentElement.closest("[role=treeitem]"))),
      Enter: () => (kind === "more" ? more(Number(id)) : (location.hash = `#/run/${encodeURIComponent(run)}/program/${id}`)),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    focus = node.dataset.key;
    keys[event.key]();
  }

  return {
    load: (seen) => get(`runs/${encodeURIComponent(run)}/tree`, { seen }),
    build(main) {
      main.append(h("p", {}, "Each dot is a program: to the right the later born, downwards the further from a seed. The thick line leads to the champion. Click a dot to find it in the outline."),
        canvas, about, h("div", { class: "bar" }, h("label", {}, "go to ", jump), h("button", { type: "button", onclick: () => reveal(kin.at.get(data.champion)) }, "Show the champion")), outline);
      outline.addEventListener("keydown", pressed);
    },
    update(fresh) {
      const first = data === null;
      data = fresh;
      kin = family(data);
      banned = new Set(data.banned);
      const { id } = data.columns;
      if (first) for (const one of data.line.slice(0, -1)) open.set(one, Math.min(CHILDREN, 5));
      about.textContent = `${count(data.total)} programs${id.length < data.total ? `; here are the best ${count(id.length)}, with all they come from` : ""}. In the outline: arrows move and unfold, Enter opens a program; the champion's line is bold.`;
      map(canvas, data, kin, reveal);
      draw();
    },
  };
}
