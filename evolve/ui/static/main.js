// Which view is shown, its frame, and asking again: a view loads data and draws what has changed.

import { get, takeToken } from "./api.js";
import { narrow } from "./chart.js";
import { h, put } from "./dom.js";
import { compare } from "./compare.js";
import { islands } from "./islands.js";
import { overview } from "./overview.js";
import { program } from "./program.js";
import { programs } from "./programs.js";
import { runs } from "./runs.js";
import { tree } from "./tree.js";

const VIEWS = { "": overview, programs, tree, islands, program };
const NAMES = [["", "Overview"], ["programs", "Programs"], ["tree", "Family tree"], ["islands", "Islands"], ["program/champion", "Champion"]];
const LIVE_MS = 1000;
const QUIET_MS = 4000;

let shown = 0;
let refresh = () => {};
let redraw = () => {};

function decoded(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decoded);
  if (parts[0] === "run" && parts[1] && VIEWS[parts[2] ?? ""]) return { run: parts[1], name: parts[2] ?? "", rest: parts.slice(3), view: VIEWS[parts[2] ?? ""] };
  if (parts[0] === "compare") return { name: "compare", rest: parts.slice(1), view: compare };
  return { name: "", rest: [], view: runs };
}

function frame(at) {
  const home = h("a", { href: "#/" }, "evolve");
  const top = document.getElementById("top");
  if (!at.run) {
    const title = at.name === "compare" ? "Comparison of runs" : "Runs";
    put(top, h("p", { class: "soft" }, at.name ? [home, " / comparison"] : "evolve"), h("h1", {}, title));
    document.title = `${title} - evolve`;
    return;
  }
  const base = `#/run/${encodeURIComponent(at.run)}`;
  const current = [at.name, ...at.rest].join("/");
  put(top, h("p", { class: "soft" }, home, " / run"), h("h1", {}, at.run),
    h("nav", { "aria-label": "Views of this run" }, NAMES.map(([path, name]) =>
      h("a", { href: path ? `${base}/${path}` : base, "aria-current": current === path ? "page" : null }, name))));
  document.title = `${at.run}${at.name ? `: ${current}` : ""} - evolve`;
}

async function show() {
  const mine = ++shown;
  const at = route();
  frame(at);
  const main = document.getElementById("main");
  const fault = h("div", { role: "alert" });
  const place = h("div", {}, h("p", {}, "Loading."));
  main.replaceChildren(fault, place);
  let again = () => {};
  const view = at.view({ ...at, get, again: () => again() });
  let [seen, before, built, timer, last] = ["", "", false, 0, null];
  redraw = () => { if (built && mine === shown) view.update(last); };
  const ask = async () => {
    clearTimeout(timer);
    let wait = QUIET_MS;
    if (!document.hidden) {
      try {
        const data = await view.load(seen);
        if (mine !== shown) return;
        fault.replaceChildren();
        if (!data.same) {
          seen = data.version ?? "";
          const now = JSON.stringify(data);
          last = data;
          if (!built) { place.replaceChildren(); view.build(place, data); built = true; }
          if (now !== before) view.update(data);
          before = now;
        }
        if (data.live || data.runs?.some((run) => run.live)) wait = LIVE_MS;
      } catch (error) {
        if (mine !== shown) return;
        if (!built) place.replaceChildren();
        fault.replaceChildren(h("p", { class: "fault" }, error.message));
      }
    }
    if (mine === shown) timer = setTimeout(ask, wait);
  };
  again = () => { seen = ""; return ask(); };
  refresh = ask;
  await ask();
}

addEventListener("hashchange", () => { takeToken(); show(); document.getElementById("main").focus({ preventScroll: true }); scrollTo(0, 0); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
for (const setting of [narrow, matchMedia("(prefers-color-scheme: dark)")]) setting.addEventListener("change", () => redraw());
takeToken();
show();
