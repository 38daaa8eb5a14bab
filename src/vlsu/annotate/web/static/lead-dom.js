// What the parts of the lead's page share: elements, strings, numbers and dates, requests.

const root = document.documentElement;
const data = JSON.parse(document.getElementById("lead-data").textContent);

export const first = data.figures;
export const byId = (id) => document.getElementById(id);

/** A string of the page's language, with its parameters put in. */
export function say(name, values = {}) {
  const text = data.strings[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

/** An element; texts enter it as text alone. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const cell = (content, kind = "") => el("td", kind ? { class: kind } : {}, content);
export const rowHead = (content, kind = "") =>
  el("th", { scope: "row", ...(kind ? { class: kind } : {}) }, content);
export const numberCell = (content) => cell(content, "number");
export const modality = (name) => el("span", { class: `dot ${name}` }, say(`modality.${name}`));

/** Fill a table, and keep the focus where it was if what had it is there again. */
const drawn = new Map();
export function fill(id, rows, from) {
  const key = JSON.stringify(from);
  if (drawn.get(id) === key) return;
  drawn.set(id, key);
  const body = byId(id).tBodies[0];
  const focused = document.activeElement?.dataset?.key;
  const inside = body.contains(document.activeElement);
  body.replaceChildren(...rows());
  if (inside && focused) body.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

// Nothing is drawn anew under a finger: a button that is replaced while it is pressed is not clicked.
const PRESSED_MS = 10_000;
let pressed = false;
const waiting = [];
addEventListener("pointerdown", (event) => { pressed = event.button === 0; }, { capture: true });
for (const name of ["pointerup", "pointercancel"]) {
  addEventListener(name, () => setTimeout(() => { // after the click
    pressed = false;
    for (const go of waiting.splice(0)) go();
  }), { capture: true });
}

/** Wait until nothing is pressed; not for ever, as a release outside the page is not told of. */
export const released = () => (pressed
  ? new Promise((resolve) => {
    waiting.push(resolve);
    setTimeout(resolve, PRESSED_MS);
  })
  : Promise.resolve());

// Numbers and times, as the page's language writes them

const language = root.lang;
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const two = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
const dayOnly = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });
const dayShort = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const minute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const ago = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });

export const count = (number) => whole.format(number);
export const decimal = (number) => (number < 10 ? one : whole).format(number);
export const percents = (value) => percent.format(value);

/** A share that is rounded neither to nothing nor to all. */
export function share(part, all) {
  const exact = all ? part / all : 0;
  return percent.format(0 < part && part < all ? Math.min(Math.max(exact, 0.01), 0.99) : exact);
}
export const date = (time) => dayOnly.format(time);
export const shortDate = (time) => dayShort.format(time);
export const timeOf = (time) => clock.format(time);
export const when = (time) =>
  el("time", { datetime: new Date(time).toISOString() }, minute.format(time));

export function since(time, now) {
  const minutes = Math.round((now - time) / 60000);
  const shown =
    minutes < 60
      ? ago.format(-minutes, "minute")
      : minutes < 48 * 60
        ? ago.format(-Math.round(minutes / 60), "hour")
        : ago.format(-Math.round(minutes / 1440), "day");
  return el("time", { datetime: new Date(time).toISOString(), title: minute.format(time) }, shown);
}

export function bytes(number) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const at = Math.min(units.length - 1, Math.floor(Math.log(Math.max(number, 1)) / Math.log(1000)));
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[at],
    unitDisplay: "short",
    maximumFractionDigits: at > 2 ? 1 : 0,
  }).format(number / 1000 ** at);
}

/** A coefficient with its interval. */
export function interval(rate) {
  if (rate.value === null) return "–";
  return el(
    "span",
    {},
    two.format(rate.value),
    el("span", { class: "interval" }, ` [${two.format(rate.low)}; ${two.format(rate.high)}]`),
  );
}

// Requests

const path = (name) => `${root.dataset.root}${name}`;
export const linkTo = (name) => `${location.origin}${path(name)}`;

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  if (response.status === 401) location.assign(path("/login"));
  throw new Error(body.error ?? say("failed"));
}

export const get = async (name) => answer(await fetch(path(name)));

export const post = async (name, body) =>
  answer(
    await fetch(path(name), {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": root.dataset.csrf },
      body: JSON.stringify(body),
    }),
  );

/** Tell who does not look at the screen. */
export function announce(text) {
  byId("said").textContent = text;
}
