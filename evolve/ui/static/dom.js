// Nodes from data. Text only ever becomes a text node or an attribute, never markup: there is no
// innerHTML anywhere, and the page's policy would refuse it.

const SVG = "http://www.w3.org/2000/svg";

function built(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "key") element.dataset.key = value;
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) => built(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => built(document.createElementNS(SVG, tag), attributes, children);

// Puts new children into a place; what had the focus there keeps it, by its key.
export function put(place, ...children) {
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  const scrolled = new Map([...place.querySelectorAll("[data-key]")].map((one) => [one.dataset.key, [one.scrollLeft, one.scrollTop]]));
  place.replaceChildren(...children.flat(Infinity).filter(Boolean));
  for (const one of place.querySelectorAll("[data-key]")) {
    if (one.tagName === "DETAILS" && open.has(one.dataset.key)) one.open = true;
    const at = scrolled.get(one.dataset.key);
    if (at && (at[0] || at[1])) [one.scrollLeft, one.scrollTop] = at;
    if (key !== undefined && one.dataset.key === key) one.focus({ preventScroll: true });
  }
}

export function number(value) {
  if (value === null || value === undefined) return "-";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(3) : String(Number(value.toPrecision(4)));
}

export const dollars = (value) => (!value ? "" : value < 0.001 ? value.toPrecision(2) : value.toFixed(value < 0.995 ? 4 : 2));

export const count = (value) => (value ?? 0).toLocaleString("en-GB");

export function signed(value) {
  if (value === null || value === undefined) return "";
  return (value > 0 ? "+" : "") + number(value);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "-";
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)} h` : minutes ? `${minutes}:${two(whole % 60)} min` : `${whole} s`;
}

export function table(head, rows, { key } = {}) {
  const cells = (tag, row) => row.map((cell, i) => h(tag, { class: head[i]?.n ? "n" : null }, cell?.node ?? cell));
  return h("div", { class: "wide", key },
    h("table", {},
      h("thead", {}, h("tr", {}, head.map((one) => h("th", { class: one.n ? "n" : null, scope: "col", "aria-sort": one.sorted }, one.node ?? one.text)))),
      h("tbody", {}, rows.map((row) => h("tr", { class: row.mark }, cells("td", row.cells ?? row))))));
}

export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value))));

export function diffed(text) {
  const kinds = { "+": "add", "-": "cut", "@": "at" };
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (/^--- a\//.test(lines[0] ?? "") && /^\+\+\+ b\//.test(lines[1] ?? "")) lines.splice(0, 2);
  return h("pre", {}, lines.map((line) => h("span", { class: kinds[line[0]] ?? "same" }, line || " ")));
}
