// The islands: how good each is and became, what happened to them; and the map of the archive.

import { chart } from "./chart.js";
import { count, h, number, put, table } from "./dom.js";

function archive(run, data) {
  const { across, up, cells, others } = data.archive;
  const height = up?.cells ?? 1;
  const at = new Map(cells.map((cell) => [`${cell[0]} ${cell[1]}`, cell]));
  const sign = data.objective.direction === "min" ? -1 : 1;
  const sorted = cells.map((cell) => sign * cell[2]).sort((a, b) => a - b);
  const share = (value) => sorted.findLastIndex((one) => one <= sign * value) / Math.max(1, sorted.length - 1);
  const wide = Math.min(across.cells, 64); // a long row is folded
  const rows = height > 1 ? height : Math.ceil(across.cells / wide);
  const where = (axis, place) => axis.low === null ? `${axis.name} ${place}` : `${axis.name} ${number(axis.low + ((axis.high - axis.low) * place) / axis.cells)} to ${number(axis.low + ((axis.high - axis.low) * (place + 1)) / axis.cells)}`;
  const grid = h("div", { class: "map", role: "grid", "aria-label": "Archive" });
  grid.style.gridTemplateColumns = `repeat(${height > 1 ? across.cells : wide}, max-content)`;
  const buttons = [];
  for (let row = rows - 1; row >= 0; row--) {
    const line = [];
    for (let column = 0; column < (height > 1 ? across.cells : wide); column++) {
      const [a, b] = height > 1 ? [column, row] : [(rows - 1 - row) * wide + column, 0];
      if (a >= across.cells) continue;
      const cell = at.get(`${a} ${b}`);
      const place = `${where(across, a)}${up ? `, ${where(up, b)}` : ""}`;
      const size = cell ? `${Math.round(25 + 65 * share(cell[2]))}%` : "0";
      const inner = cell && h("i", {});
      if (inner) [inner.style.width, inner.style.height] = [size, size];
      const text = cell ? `${place}: ${number(cell[2])}, program ${cell[3]}` : `${place}: empty`;
      const button = h("button", { type: "button", role: "gridcell", class: cell ? "cell" : "cell none", tabindex: -1, title: text, "aria-label": text, key: `cell-${a}-${b}`,
        onclick: cell && (() => { location.hash = `#/run/${encodeURIComponent(run)}/program/${cell[3]}`; }) }, inner);
      line.push(button);
      grid.append(button);
    }
    buttons.push(line);
  }
  buttons[0][0].tabIndex = 0;
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    const row = buttons.findIndex((line) => line.includes(document.activeElement));
    if (!step || row < 0) return;
    event.preventDefault();
    const next = buttons[row + step[0]]?.[buttons[row].indexOf(document.activeElement) + step[1]];
    if (next) { document.activeElement.tabIndex = -1; next.tabIndex = 0; next.focus(); }
  });
  return h("section", {}, h("h2", {}, "Archive"),
    h("p", { class: "soft" }, `To the right ${across.name}${up ? `, upwards ${up.name}` : ""}${others.length ? `; the best over ${others.join(", ")} and all islands` : "; the best over all islands"}. The larger a square, the better its program; ${count(cells.length)} of ${count(across.cells * height)} cells hold one. Arrows move, Enter opens.`),
    h("div", { class: "wide", key: "map" }, grid));
}

export function islands({ run, get }) {
  const place = h("div", {});
  const link = (id) => (id ? h("a", { key: `to-${id}`, href: `#/run/${encodeURIComponent(run)}/program/${id}` }, id) : "-");
  return {
    load: (seen) => get(`runs/${encodeURIComponent(run)}/islands`, { seen }),
    build: (main) => main.append(place),
    update(data) {
      const kinds = { migration: "the best were copied to other islands", reset: "was emptied and begins again with", birth: "was born", map: "the archive's cells were drawn anew" };
      put(place,
        h("h2", {}, "Islands"),
        table([{ text: "island" }, { text: `best ${data.objective.name}`, n: true }, { text: "program", n: true }, { text: "programs now", n: true }, { text: "cells", n: true }],
          data.islands.map((one, i) => [i, number(one.value), link(one.best), one.size, one.cells])),
        h("h3", {}, "Best program born on each island"),
        h("figure", {}, chart({ label: "Islands", unit: "programs evaluated", objective: data.objective.name, end: data.evaluated, series: data.islands.slice(0, 8).map((one) => ({ points: one.curve, steps: true })) }),
          h("figcaption", {}, data.islands.slice(0, 8).map((one, i) => `${i}: ${["solid", "dashed", "dotted", "dash-dot"][i % 4]}${i > 3 ? " grey" : ""}, ends at ${number(one.curve.at(-1)?.[1])}`).join("; "))),
        data.archive && archive(run, data),
        h("h2", {}, "What happened to them"),
        data.epochs.length ? table([{ text: "after attempts", n: true }, { text: "what" }], data.epochs.slice(-30).reverse().map((one) => [count(one.settled), [one.island === null ? "" : `island ${one.island} `, kinds[one.kind] ?? one.kind, one.program ? [" program ", link(one.program)] : ""]])) : h("p", { class: "soft" }, "Nothing yet: no migration, reset or birth."));
    },
  };
}
