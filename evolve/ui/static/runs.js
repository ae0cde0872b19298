// All runs below the folder, and a choice of those to compare.

import { count, dollars, duration, h, number, put, table } from "./dom.js";

export function runs({ get }) {
  const chosen = new Set();
  const place = h("div", {});
  const go = h("button", { type: "button", disabled: true, onclick: () => { location.hash = `#/compare/${[...chosen].map(encodeURIComponent).join("/")}`; } }, "Compare the chosen");
  const choose = (name, on) => { on ? chosen.add(name) : chosen.delete(name); go.disabled = !chosen.size || chosen.size > 8; };
  return {
    load: () => get("runs"),
    build: (main) => main.append(place),
    update(data) {
      const head = [{ text: "compare" }, { text: "run" }, { text: "problem" }, { text: "state" }, { text: "validation", n: true }, { text: "training", n: true }, { text: "evaluated", n: true }, { text: "time", n: true }, { text: "$", n: true }];
      const rows = data.runs.map((run) => run.fault
        ? ["", run.name, h("span", { class: "worse" }, run.fault), "cannot be read", "", "", "", "", ""]
        : [h("input", { type: "checkbox", key: `compare-${run.name}`, "aria-label": `compare ${run.name}`, checked: chosen.has(run.name), onchange: (event) => choose(run.name, event.target.checked) }),
          h("a", { href: `#/run/${encodeURIComponent(run.name)}`, key: `run-${run.name}` }, run.name), run.problem ?? "", `${run.live ? "live: " : ""}${run.state}`,
          run.unvalidated ? "none passed" : number(run.validation), number(run.best), count(run.evaluated), duration(run.elapsed_s), dollars(run.cost_usd)]);
      put(place, data.runs.length ? [table(head, rows, { key: "runs" }), h("div", { class: "bar" }, go)] : h("p", {}, "No run yet: ", h("code", {}, "evolve run PROBLEM"), " starts one."),
        h("p", { class: "soft" }, `in ${data.root}`));
    },
  };
}
