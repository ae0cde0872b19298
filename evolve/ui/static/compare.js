// Runs beside each other: their curves, their figures, and how their settings differ.

import { chart } from "./chart.js";
import { count, dollars, duration, h, number, put, table } from "./dom.js";

const DASHES = ["solid", "dashed", "dotted", "dash-dot"];

export function compare({ rest, get }) {
  const place = h("div", {});
  return {
    load: () => get("compare", rest.map((name) => ["run", name])),
    build: (main) => main.append(place),
    update(data) {
      const names = [...new Set(data.runs.map((run) => `${run.objective.direction} ${run.objective.name}`))];
      const head = [{ text: "run" }, { text: "line" }, { text: "training", n: true }, { text: "validation", n: true }, { text: "test", n: true }, { text: "evaluated", n: true }, { text: "time", n: true }, { text: "$", n: true }];
      put(place,
        names.length > 1 && h("p", { class: "fault" }, `These runs have different objectives (${names.join(", ")}); their values cannot be compared, so no curves are drawn.`),
        table(head, data.runs.map((run, i) => [h("a", { key: `run-${run.name}`, href: `#/run/${encodeURIComponent(run.name)}` }, run.name), `${DASHES[i % 4]}${i > 3 ? " grey" : ""}`, number(run.champion?.training), number(run.champion?.validation), number(run.champion?.test), count(run.evaluated), duration(run.elapsed_s), dollars(run.cost_usd)])),
        h("p", { class: "soft" }, "Only tests count as results, and one run of each kind says little: a search has luck."),
        names.length === 1 && ["programs evaluated", "seconds"].map((unit, at) => [h("h2", {}, `Best in training against ${unit}`), h("figure", {}, chart({ label: "Comparison", unit, objective: data.runs[0].objective.name,
          series: data.runs.map((run) => ({ points: run.curve.bests.map((p) => [p[at], p[2], p[3]]), end: run.curve.end[at], steps: true })), end: Math.max(...data.runs.map((run) => run.curve.end[at])) }))]),
        h("h2", {}, "Settings that differ"),
        data.differences.length ? table([{ text: "setting" }, ...data.runs.map((run) => ({ text: run.name }))], data.differences.map((one) => [one.setting, ...one.values])) : h("p", { class: "soft" }, "None."));
    },
  };
}
