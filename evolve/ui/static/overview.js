// A run at a glance: figures, curve, who proposed, what it was told; and the actions.

import { chart } from "./chart.js";
import { actions } from "./actions.js";
import { count, dollars, duration, facts, h, number, put, table } from "./dom.js";

function left(status) {
  const parts = [];
  const { evals, minutes, usd } = status.budget;
  const spent = status.models.reduce((sum, model) => sum + model.settled_usd + model.unsettled_usd, 0);
  if (evals) parts.push(`${count(Math.max(0, evals - status.ran))} evaluations`);
  if (minutes) parts.push(duration(Math.max(0, minutes * 60 - status.elapsed_s)));
  if (usd) parts.push(`$${Math.max(0, usd - spent).toFixed(2)}`);
  return parts.join(", ") || "no limit";
}

const UNITS = ["programs evaluated", "seconds"];
const lost = (counts) => Object.entries(counts.fates).filter(([fate]) => !["seed", "evaluated"].includes(fate)).sort((a, b) => b[1] - a[1]);

function figures(data) {
  const { status, counts, champion } = data;
  const wasted = lost(counts);
  return facts([
    ["state", `${status ? "live: " : ""}${data.state}`],
    ["champion", champion ? h("a", { key: "champion", href: `#/run/${encodeURIComponent(data.name)}/program/${champion.id}` }, `program ${champion.id}`) : "none yet"],
    ["in validation", data.unvalidated ? "none passed" : champion ? number(champion.validation) : null],
    ["in training", champion ? number(champion.training) : null],
    ["in the test", champion?.test === null ? null : number(champion?.test)],
    ["evaluated", `${count(counts.evaluated)}${status ? ` at ${number(status.rate)}/s` : ""}`],
    ["evaluations used", counts.ran === counts.evaluated ? null : count(counts.ran)],
    ["came to nothing", count(wasted.reduce((sum, [, n]) => sum + n, 0))],
    ["time", duration(status?.elapsed_s ?? data.elapsed_s)],
    ["left", status ? left(status) : null],
    ["cost", counts.cost_usd ? `$${dollars(counts.cost_usd)}` : null],
    ["sandbox", data.unsafe ? "NONE: data could have been forged" : status?.tier === "B" ? "tier B" : null],
  ]);
}

export function overview({ run, get }) {
  const [warn, bar, numbers, curve, tables, log] = ["", "", "", "", "", ""].map(() => h("div", {}));
  let unit = UNITS[0];
  let last = null;
  const axis = h("select", { key: "axis", onchange: () => { unit = axis.value; draw(); } }, UNITS.map((one) => h("option", {}, one)));
  const controls = actions(run, () => last);

  function draw() {
    const { curve: data, objective, references } = last;
    const at = UNITS.indexOf(unit);
    const pick = (points) => points.map((p) => [p[at], p[2], p[3]]);
    put(curve, chart({
      label: "Best so far", unit, objective: objective.name, end: data.end[at],
      series: [
        { name: "programs", points: pick(data.dots), class: "dot" },
        { name: "best in training", points: pick(data.bests), steps: true, class: "best" },
        { name: "validated", points: pick(data.validated), square: true, class: "val" },
      ],
      across: references.map((one) => ({ ...one, kind: one.kind === "published" ? "published" : "baseline" })),
      onpick: (id) => { location.hash = `#/run/${encodeURIComponent(run)}/program/${id}`; },
    }));
  }

  return {
    load: () => get(`runs/${encodeURIComponent(run)}/overview`),
    build(main) {
      main.append(warn, bar, numbers,
        h("h2", {}, "Best so far"),
        h("div", { class: "bar" }, h("label", {}, "against ", axis)),
        h("figure", {}, curve, h("figcaption", {}, "Line: best in training. Dots: programs, squares: validated ones; click one to open it. Lines across: dotted are baselines, dashed are published values.")),
        tables, log);
      bar.append(controls.bar);
    },
    update(data) {
      last = data;
      const goal = data.objective.direction === "min" ? "lower" : "higher";
      put(warn, h("p", {}, `${data.problem ?? ""}: ${data.objective.name}, ${goal} is better.`), data.unvalidated && h("p", { class: "fault" }, `${brief(data.unvalidated, 400)}; the champion is the best in training.`));
      controls.update(data);
      put(numbers, figures(data));
      draw();
      const bests = data.curve.bests.slice(-12).reverse();
      put(tables, h("div", { class: "split" },
        h("section", {}, h("h2", {}, "Newest bests in training"),
          table([{ text: "program" }, { text: data.objective.name, n: true }, { text: "evaluated", n: true }, { text: "after", n: true }],
            bests.map((p) => [h("a", { key: `best-${p[3]}`, href: `#/run/${encodeURIComponent(run)}/program/${p[3]}` }, p[3]), number(p[2]), count(p[0]), duration(p[1])]))),
        h("section", {}, h("h2", {}, "Proposers"),
          table([{ text: "who" }, { text: "attempts", n: true }, { text: "programs", n: true }, { text: "bests", n: true }, { text: "$", n: true }],
            data.proposers.map((one) => [one.name, count(one.attempts), count(one.programs), count(one.bests), dollars(one.cost_usd)])),
          h("h2", {}, "Came to nothing"),
          lost(data.counts).length
            ? table([{ text: "fate" }, { text: "attempts", n: true }], lost(data.counts).map(([fate, n]) => [fate.replaceAll("_", " "), count(n)]))
            : h("p", { class: "soft" }, "None."))),
      data.picture && h("figure", {}, h("img", { src: data.picture, alt: "What was found, as the problem draws it" }), h("figcaption", {}, "What was found, as the problem draws it")));
      put(log, h("h2", {}, "What happened"), data.events.length
        ? table([{ text: "when (UTC)" }, { text: "event" }, { text: "with" }], data.events.map((one) => [one.created.slice(0, 19).replace("T", " "), one.kind.replaceAll("_", " "), h("code", {}, brief(listed(one.data)))]))
        : h("p", { class: "soft" }, "Nothing but the search."));
    },
  };
}

const listed = (data) => Object.entries(data).filter(([, value]) => value !== null && typeof value !== "object").map(([name, value]) => `${name} ${value}`).join(", ");
const brief = (text, most = 160) => text.length > most ? `${text.slice(0, most - 3)}...` : text;
