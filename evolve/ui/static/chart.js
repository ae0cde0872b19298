// Line charts as SVG, told apart by dashes and names as well as by colour.

import { number, s } from "./dom.js";

const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [300, 56, 12, 16, 40];
export const narrow = matchMedia("(max-width: 40rem)");

export function ticks(low, high, most = 6, least = 0) {
  const span = high - low || Math.abs(high) || 1;
  const raw = Math.max(span / most, least);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

// The values that steps take; without those that soon gave way, where they would dwarf the rest.
function lasting(lines, last) {
  const [all, kept] = [[], []];
  for (const { points } of lines) points.forEach((p, i) => {
    all.push(p[1]);
    if ((points[i + 1]?.[0] ?? last) > 0.02 * last) kept.push(p[1]);
  });
  const span = (values) => Math.max(...values) - Math.min(...values);
  return kept.length && span(all) > 5 * span(kept) && span(kept) > 0 ? kept : all;
}

// series: {name, points: [x, y, id], steps, dots, class}; across: {name, value, kind}
export function chart({ label, series, across = [], unit, objective, end, onpick }) {
  const WIDTH = narrow.matches ? 400 : 720;
  const lines = series.filter((one) => one.steps && one.points.length);
  const last = Math.max(end ?? 0, 2, ...lines.flatMap((one) => one.points.map((p) => p[0])));
  const inView = lines.length ? lasting(lines, last) : series.flatMap((one) => one.points.map((p) => p[1]));
  if (!inView.length) return s("svg", { role: "img", "aria-label": `${label}: nothing yet`, viewBox: "0 0 720 40" }, s("text", { x: 4, y: 24 }, "nothing yet"));
  let [low, high] = [Math.min(...inView), Math.max(...inView)];
  const span = high - low || Math.abs(high) || 1;
  const near = across.filter((one) => one.value >= low - 1.5 * span && one.value <= high + 1.5 * span);
  for (const one of near) [low, high] = [Math.min(low, one.value), Math.max(high, one.value)];
  const margin = 0.07 * (high - low || span);
  [low, high] = [low - margin, high + margin];
  const x = (value) => LEFT + (WIDTH - LEFT - RIGHT) * (value / last);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low));
  const held = (value) => Math.max(TOP, Math.min(HEIGHT - BOTTOM, y(value)));
  const inside = (p) => p[1] >= low && p[1] <= high;
  const [parts, names] = [[], []];
  for (const tick of ticks(low, high)) {
    if (tick < low || tick > high) continue;
    parts.push(s("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }),
      s("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, number(tick)));
  }
  for (const tick of ticks(0, last, narrow.matches ? 4 : 7, 1)) {
    const name = number(tick);
    const atEdge = x(tick) + 3.5 * name.length > WIDTH;
    parts.push(s("text", { x: atEdge ? WIDTH : x(tick), y: HEIGHT - BOTTOM + 16, "text-anchor": atEdge ? "end" : "middle" }, name));
  }
  parts.push(s("line", { class: "frame", x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
    s("text", { x: (WIDTH + LEFT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, unit));
  near.sort((a, b) => b.value - a.value);
  let lowest = -Infinity;
  for (const one of near) {
    parts.push(s("line", { class: one.kind, x1: LEFT, x2: WIDTH - RIGHT, y1: y(one.value), y2: y(one.value) }));
    const at = Math.max(y(one.value) - 4, lowest + 13);
    lowest = at;
    names.push(s("text", { x: WIDTH - RIGHT - 2, y: at, "text-anchor": "end" }, `${one.name.slice(0, narrow.matches ? 24 : 40)} ${number(one.value)}`));
  }
  const picks = [];
  series.forEach((one, index) => {
    const points = one.points.filter((p) => one.steps || inside(p));
    for (const p of points) if (p[2]) picks.push(p);
    if (one.steps) {
      if (!points.length) return;
      const path = points.map((p, i) => (i ? `H${x(p[0]).toFixed(1)}V${held(p[1]).toFixed(1)}` : `M${x(p[0]).toFixed(1)} ${held(p[1]).toFixed(1)}`)).join("");
      parts.push(s("path", { class: one.class ?? `series s${index % 8}`, d: `${path}H${x(one.end ?? last).toFixed(1)}` }));
    } else if (one.square) {
      for (const p of points) parts.push(s("rect", { class: one.class, x: x(p[0]) - 2.5, y: y(p[1]) - 2.5, width: 5, height: 5 }));
    } else {
      const path = points.map((p) => `M${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}h.01`).join("");
      parts.push(s("path", { class: one.class, d: path, stroke: "currentColor", "stroke-width": 3, "stroke-linecap": "round", opacity: 0.22 }));
    }
  });
  const svg = s("svg", { role: "img", "aria-label": `${label}, ${objective} against ${unit}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}` }, parts, names);
  if (onpick) {
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      const [px, py] = [((event.clientX - box.left) / box.width) * WIDTH, ((event.clientY - box.top) / box.height) * HEIGHT];
      const apart = (p) => (x(p[0]) - px) ** 2 + (y(p[1]) - py) ** 2;
      const nearest = picks.reduce((best, p) => (best && apart(best) <= apart(p) ? best : p), null);
      if (nearest && apart(nearest) < 400) onpick(nearest[2]);
    });
  }
  return svg;
}
