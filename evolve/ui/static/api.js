// Talks to the server. The secret comes in the address's fragment, which browsers send nowhere; it
// is kept for this tab and travels in a header, which other sites cannot set.

const KEPT = "evolve-token";

export function takeToken() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  if (!found) return;
  sessionStorage.setItem(KEPT, found[1]);
  history.replaceState(null, "", "#/");
}

async function asked(path, options = {}) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEPT) ?? ""}` };
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch {
    throw new Error("the server does not answer; is `evolve ui` still running?");
  }
  if (!(response.headers.get("content-type") ?? "").startsWith("application/json")) throw new Error(await response.text());
  const data = await response.json();
  if (data.error) throw new Error(data.error);
  return data;
}

export const get = (path, parameters) => asked(`/api/${path}${parameters ? `?${new URLSearchParams(parameters)}` : ""}`);

export const act = (run, command, body = {}) =>
  asked(`/api/runs/${encodeURIComponent(run)}/actions/${command}`, { method: "POST", body: JSON.stringify(body) });

export function say(text) {
  document.getElementById("said").textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { document.getElementById("said").textContent = ""; }, 8000);
}
