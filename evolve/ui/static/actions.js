// What a person may do to a live run; the run carries it out and keeps it as an event.

import { act, get, say } from "./api.js";
import { h, put } from "./dom.js";

// A form in a dialog; `done` gets its fields, and an error keeps it open with what was typed.
function asking(title, fields, verb, done) {
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const form = h("form", { method: "dialog" }, h("h2", {}, title), fields, fault,
    h("div", { class: "bar" }, h("button", { type: "submit" }, verb), h("button", { type: "button", onclick: () => dialog.close() }, "Not now")));
  const dialog = h("dialog", { onclose: () => dialog.remove() }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await done(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

async function told(run, command, body, text) {
  await act(run, command, body);
  say(text);
}

export function handIn(run, code) {
  asking("Hand in a program", [
    h("p", { class: "soft" }, "It is judged as any other, and counts as one evaluation. Only text inside the EVOLVE-BLOCKs may differ from a seed."),
    h("label", {}, "program.py", h("textarea", { name: "code", rows: 18, spellcheck: "false", required: true, value: code })),
  ], "Hand it in", async ({ code: text }) => {
    const { attempt } = await act(run, "inject", { files: { "program.py": text } });
    say(`handed in as attempt ${attempt}`);
  });
}

export function ban(run, program, offspring, after) {
  asking(`Ban program ${program}?`, h("p", {}, `It and all that was or will be made from it (${offspring} directly so far) leave the islands and can be no champion. They stay stored. This cannot be taken back.`), "Ban it",
    async () => {
      const { programs } = await act(run, "ban", { program });
      say(`banned: ${programs} programs`);
      after();
    });
}

export function actions(run, latest) {
  const bar = h("div", { class: "bar", role: "group", "aria-label": "Actions" });
  const quick = (command, text) => told(run, command, {}, text).catch((error) => say(error.message));
  const stop = () => asking("Stop this run?", h("p", {}, "What is being evaluated is finished and stored; then the champion is tested."), "Stop it", () => told(run, "stop", {}, "stopping"));
  const budget = () => {
    const now = latest().status.budget;
    const field = (name, label, step) => h("label", {}, label, h("input", { name, type: "number", step, min: name === "target" ? null : "0", value: now[name] ?? "" }));
    asking("Change the budget", [h("p", { class: "soft" }, "Totals of the whole run; an empty field is no limit."), h("div", { class: "bar" },
      field("evals", "evaluations", "1"), field("minutes", "minutes", "any"), field("usd", "dollars", "any"), field("tokens", "tokens", "1"), field("target", "target value", "any"))],
    "Change it", (fields) => told(run, "budget", Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, text === "" ? null : Number(text)])), "budget changed"));
  };
  const hint = () => asking("A hint for the models", [
    h("p", { class: "soft" }, "It stands in every prompt from now on, until you change it; empty takes it back."),
    h("label", {}, "hint", h("textarea", { name: "text", rows: 4, maxlength: 2000, value: latest().hint ?? "" })),
  ], "Hand it in", ({ text }) => told(run, "hint", { text }, text ? "the models are told" : "the hint is taken back"));
  const own = async () => {
    try {
      const { files } = await get(`runs/${encodeURIComponent(run)}/programs/champion`);
      handIn(run, files["program.py"] ?? "");
    } catch { handIn(run, ""); }
  };
  const button = (name, onclick) => h("button", { type: "button", key: name, onclick }, name);
  return {
    bar,
    update(data) {
      if (!data.status) {
        put(bar, h("p", { class: "soft" }, "No process works on this run now. ", h("code", {}, `evolve resume ${run}`), " goes on with it."));
        return;
      }
      put(bar,
        data.status.phase === "paused" ? button("Go on", () => quick("go", "the search goes on")) : button("Pause", () => quick("pause", "paused; what is under way is finished")),
        button("Stop...", stop), button("Budget...", budget), button("Hand in a program...", own), data.asks_models && button("Hint...", hint));
    },
  };
}
