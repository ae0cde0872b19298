// One program: its standing, how it came to be, its code and what the stages said.

import { ban, handIn } from "./actions.js";
import { diffed, dollars, duration, facts, h, number, put, signed, table } from "./dom.js";

const gain = (value) => h("span", { class: value > 0 ? "better" : value < 0 ? "worse" : "soft" }, signed(value));
const fold = (key, title, ...inside) => h("details", { key }, h("summary", { key: `${key}-summary` }, title), ...inside);

function verdicts(list) {
  return [
    table([{ text: "split" }, { text: "stage" }, { text: "status" }, { text: "values" }, { text: "time", n: true }, { text: "memory", n: true }, { text: "tier" }],
      list.map((one) => [one.split, one.stage, one.status, Object.entries(one.values).map(([name, value]) => `${name} ${number(value)}`).join(", "), `${number(one.cpu_s)} s`, `${one.memory_bytes >> 20} MiB`, one.tier]), { key: "verdicts" }),
    list.flatMap((one, i) => {
      const where = one.stage === one.split ? one.stage : `${one.split}, stage ${one.stage}`;
      return [
        one.reason && h("p", {}, `${where}: ${one.reason}`),
        one.feedback && fold(`feedback-${i}`, `feedback of ${where}`, h("pre", {}, one.feedback)),
        one.stderr && fold(`stderr-${i}`, `stderr of ${where}`, h("pre", {}, one.stderr)),
      ];
    }),
  ];
}

function asked(data) {
  if (!data.calls.length) return [];
  return [
    h("h2", {}, "What a model was asked, and what it answered"),
    table([{ text: "turn", n: true }, { text: "model" }, { text: "state" }, { text: "tokens in", n: true }, { text: "out", n: true }, { text: "$", n: true }, { text: "time", n: true }],
      data.calls.map((call) => [call.turn, call.answered_by || call.model, call.state, call.input, call.output, dollars(call.cost_usd), duration(call.latency_s)])),
    data.prompts.map((prompt, i) => prompt.fault ? h("p", { class: "soft" }, `The prompt cannot be shown: ${prompt.fault}`)
      : [fold(`prompt-${i}`, "prompt, as it was sent", h("pre", {}, prompt.text)), fold(`fixed-${i}`, "its part that is the same for the whole run", h("pre", {}, prompt.fixed))]),
    data.calls.map((call, i) => call.answer !== null && fold(`answer-${i}`, `answer to turn ${call.turn}`, h("pre", {}, call.answer))),
  ];
}

export function program({ run, rest, get, again }) {
  const place = h("div", {});
  const here = (id) => `#/run/${encodeURIComponent(run)}/program/${id}`;
  const link = (id) => h("a", { href: here(id), key: `to-${id}` }, id);
  return {
    load: () => get(`runs/${encodeURIComponent(run)}/programs/${encodeURIComponent(rest[0] ?? "champion")}`),
    build: (main) => main.append(place),
    update(data) {
      const code = Object.entries(data.files);
      put(place,
        h("h2", {}, `Program ${data.id}`, data.champion ? ", the champion" : "", data.banned ? ", banned" : ""),
        data.leap && h("p", { class: "lead" }, "It owes most to program ", link(data.leap.id), `, by ${data.leap.by}: from ${number(data.leap.before)} to ${number(data.leap.after)}. ${data.leap.id === data.id ? "What it changed is below." : "What that changed:"}`),
        data.leap && data.leap.id !== data.id && data.leap.diff && diffed(data.leap.diff),
        data.live && h("div", { class: "bar" },
          h("button", { type: "button", key: "use", onclick: () => handIn(run, data.files["program.py"] ?? "") }, "Hand in a change of it..."),
          data.parent !== null && !data.banned && h("button", { type: "button", key: "ban", onclick: () => ban(run, data.id, data.offspring, again) }, "Ban it with its offspring...")),
        facts([["in training", number(data.value)], ["in validation", number(data.validation)], ["in the test", data.test === null ? null : number(data.test)],
          ["made by", `${data.proposer} ${data.operator === data.proposer ? "" : data.operator}`], ["parent", data.parent === null ? "none" : link(data.parent)],
          ["shown beside it", data.inspirations.length ? data.inspirations.flatMap((id) => [link(id), " "]) : null],
          ["island", data.island], ["generation", data.generation], ["stages passed", data.rung], ["syntax-tree nodes", data.length], ["offspring", data.offspring], ["cost", data.cost_usd ? `$${dollars(data.cost_usd)}` : null]]),
        h("p", { class: "soft" }, `attempt ${data.attempt}, ${data.created.slice(0, 19)} UTC, hash ${data.hash.slice(0, 16)}`),
        data.dropped && h("p", {}, "Its text was dropped by `evolve gc`; its scores and its origin are still here."),
        data.reason && h("p", {}, data.reason),
        data.parent !== null && [h("h2", {}, "What it changed in its parent"), data.diff ? diffed(data.diff) : h("p", { class: "soft" }, "Nothing that shows.")],
        h("h2", {}, "Verdicts"), verdicts(data.verdicts),
        asked(data),
        h("h2", {}, "Lineage"),
        h("p", { class: "soft" }, `From the program the search began with to this one; a gain is how much better than the step before, if that reached the same stage.${data.left_out ? ` ${data.left_out} steps are left out.` : ""}`),
        table([{ text: "program" }, { text: "by" }, { text: "lines" }, { text: "training", n: true }, { text: "gain", n: true }, { text: "validation", n: true }],
          data.lineage.map((step) => ({ mark: step.id === data.leap?.id ? "first" : null, cells: [link(step.id), step.by, step.added + step.removed ? `+${step.added} -${step.removed}` : "", number(step.training), gain(step.training_gain), number(step.validation)] })), { key: "lineage" }),
        data.children.length > 0 && [h("h2", {}, "Made from it"), table([{ text: "program" }, { text: "edit" }, { text: "training", n: true }, { text: "validation", n: true }],
          data.children.map((one) => [link(one.id), one.operator, number(one.value), number(one.validation)]), { key: "children" })],
        h("h2", {}, "Code"), code.map(([path, text]) => [h("h3", {}, h("code", {}, path)), h("pre", { tabindex: 0, "aria-label": path, key: `code-${path}` }, text)]));
    },
  };
}
