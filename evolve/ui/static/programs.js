// The population as a table: sorted, filtered and searched by the server, one page at a time.

import { count, h, number, put, table } from "./dom.js";

const PAGE = 50;
const COLUMNS = [["id", "program", true], ["value", null, true], ["validation", "validation", true], ["rung", "stages passed", true], ["operator", "edit"], ["proposer", "by"], ["parent", "parent", true], ["island", "island", true], ["generation", "generation", true], ["length", "length", true]];
const SHOW = [["all", "all"], ["scored", "with a score"], ["failed", "failed"], ["validated", "validated"], ["present", "on an island now"], ["banned", "banned"]];

export function programs({ run, get, again }) {
  const query = { sort: "value", descending: false, show: "all", proposer: "", island: -1, search: "", offset: 0, count: PAGE };
  const ask = (changes) => { Object.assign(query, { offset: 0 }, changes); again(); };
  const link = (id) => (id ? h("a", { key: `program-${id}`, href: `#/run/${encodeURIComponent(run)}/program/${id}` }, id) : "");
  let typing = 0;
  const search = h("input", { type: "search", "aria-label": "search", placeholder: "number, hash, edit, proposer", oninput: () => { clearTimeout(typing); typing = setTimeout(() => ask({ search: search.value }), 200); } });
  const show = h("select", { onchange: () => ask({ show: show.value }) }, SHOW.map(([value, name]) => h("option", { value }, name)));
  const proposer = h("select", { onchange: () => ask({ proposer: proposer.value }) }, h("option", { value: "" }, "anyone"));
  const island = h("select", { onchange: () => ask({ island: Number(island.value) }) }, h("option", { value: "-1" }, "any"));
  const [place, pages] = [h("div", {}), h("div", { class: "bar" })];
  const fill = (select, names) => { for (const [value, name] of names.slice(select.options.length - 1)) select.append(h("option", { value }, name)); };

  return {
    load: () => get(`runs/${encodeURIComponent(run)}/programs`, query),
    build(main) {
      main.append(h("div", { class: "bar" }, h("label", {}, "search ", search), h("label", {}, "show ", show), h("label", {}, "made by ", proposer), h("label", {}, "born on island ", island)), place, pages);
    },
    update(data) {
      fill(proposer, data.proposers.map((name) => [name, name]));
      fill(island, Array.from({ length: data.islands }, (_, i) => [String(i), String(i)]));
      const head = COLUMNS.map(([key, name, n]) => {
        const mine = query.sort === key;
        const arrow = mine ? (query.descending ? " \u2193" : " \u2191") : "";
        return { n, sorted: mine ? (query.descending ? "descending" : "ascending") : null,
          node: h("button", { type: "button", class: "link", key: `sort-${key}`, onclick: () => ask({ sort: key, descending: mine && !query.descending }) }, (name ?? data.objective.name) + arrow) };
      });
      const rows = data.programs.map((one) => ({ mark: one.banned ? "out" : null, cells: [
        link(one.id), number(one.value), `${number(one.validation)}${one.fell_behind && one.validation !== null ? " *" : ""}`, one.rung < 0 ? "-" : one.rung, one.operator, one.proposer, link(one.parent), one.island, one.generation, one.length] }));
      put(place, h("p", { class: "soft" }, `${count(data.found)} of ${count(data.total)} programs. Value sorts the best first: by stages passed, then by value.`,
        data.programs.some((one) => one.fell_behind && one.validation !== null) && " * It fell behind the champion on the first draws and was measured on no more, so the values do not compare."),
        rows.length ? table(head, rows, { key: "population" }) : h("p", {}, "None of that kind."));
      const to = Math.min(query.offset + PAGE, data.found);
      const turn = (name, offset, off) => h("button", { type: "button", key: name, disabled: off, onclick: () => ask({ offset }) }, name);
      put(pages, turn("Before", Math.max(0, query.offset - PAGE), query.offset === 0), h("span", {}, data.found ? `${count(query.offset + 1)} to ${count(to)}` : ""), turn("Next", query.offset + PAGE, to >= data.found));
    },
  };
}
