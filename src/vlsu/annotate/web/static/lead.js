// The lead's page: what it shows, drawn anew every ten seconds while somebody looks at it.

import { followPerson, personButton, stopButtons } from "./lead-acts.js";
import { drawCharts } from "./lead-charts.js";
import { showQuality } from "./lead-quality.js";
import {
  announce, byId, bytes, cell, count, date, decimal, el, fill, first, get, interval, modality,
  numberCell, released, rowHead, say, share, shortDate, since, timeOf, when,
} from "./lead-dom.js";

const EVERY_MS = 10_000;
const DAY_MS = 86_400_000;
const MODALITIES = ["image", "text", "joint"];
let shown = first;
let latest = 0;

// Progress

function tile(name, value, what = "") {
  byId(`tile-${name}`).textContent = value;
  byId(`what-${name}`).textContent = what;
}

function ending({ end, left, daily }, now) {
  if (!left) return [say("progress.finished"), ""];
  if (!end) return [say("progress.unknown"), say("progress.unknown_why", { days: daily.length })];
  const [likely, low, high] = [end.days, end.low, end.high].map((days) => days !== null && now + days * DAY_MS);
  const pace = say("progress.a_day", { n: decimal(end.a_day), days: end.seen });
  if (high && date(low) === date(high)) return [date(likely), pace];
  const between = high
    ? say("progress.between", { low: shortDate(low), high: date(high) })
    : say("progress.open_end", { low: date(low) });
  return [date(likely), `${between} ${pace}`];
}

function progress({ counts, people, now }) {
  const graders = people.filter((person) => person.role === "grader");
  const working = graders.filter((p) => p.state === "joined" && now - (p.active_at ?? 0) < 15 * 60_000);
  tile("at_work", count(working.length), say("progress.of_graders", { n: count(graders.length) }));
  if (!counts) return;
  const wanted = MODALITIES.reduce((sum, name) => sum + counts.slots[name].wanted, 0);
  const done = MODALITIES.reduce((sum, name) => sum + counts.slots[name].done, 0);
  tile("done", share(done, wanted), say("progress.of", { done: count(done), wanted: count(wanted) }));
  tile("left", count(counts.left));
  tile(
    "hours",
    counts.hours_left === null ? "–" : decimal(counts.hours_left),
    counts.team_pace === null ? say("progress.no_pace") : say("progress.pace", { n: decimal(counts.team_pace) }),
  );
  tile("end", ...ending(counts, now));
  const cases = counts.disputes;
  const open = cases.reduce((sum, each) => sum + each.open, 0);
  const decided = cases.reduce((sum, each) => sum + each.decided, 0);
  tile("open", count(open), say("progress.decided", { n: count(decided) }));
  byId("as-of").textContent = say("as_of", { time: timeOf(counts.at) });
  fill("slots", () => MODALITIES.filter((name) => counts.slots[name].wanted).map((name) => {
    const each = counts.slots[name];
    const bar = el("progress", {
      max: each.wanted, value: each.done, "aria-label": say(`modality.${name}`),
    });
    return el("tr", {}, rowHead(modality(name)), cell(bar), numberCell(`${count(each.done)} (${share(each.done, each.wanted)})`),
      numberCell(count(each.wanted)), numberCell(count(each.leased)), numberCell(count(each.wanted - each.done)));
  }), counts.slots);
}

// People

function people({ people: all, now }) {
  const seen = (person) => (person.active_at ? Math.round((now - person.active_at) / 60_000) : null);
  fill("persons", () => all.map((person) => el("tr", {},
    rowHead(el("span", { dir: "auto" }, person.name)),
    cell(say(`role.${person.role}`) + (person.languages ? ` (${person.languages.replaceAll(",", ", ")})` : "")),
    cell(el("span", { class: `dot ${person.state}` }, say(`state.${person.state}`)), "nowrap"),
    cell(person.active_at ? since(person.active_at, now) : "–", "nowrap"),
    numberCell(person.role === "grader" ? count(person.done) : ""),
    numberCell(person.role !== "grader" ? "" : person.pace ? count(person.pace) : "–"),
    cell(personButton(person.id, () => shown)),
  )), all.map((person) => ({ ...person, active_at: seen(person) })));
}

function care({ care: sums }) {
  const about = sums.enough
    ? el("dl", { class: "tiles" }, ...[
        ["items", count(sums.items)], ["hours", decimal(sums.hours)], ["hard", count(sums.hard)],
        ["most_hard", count(sums.most_hard)],
        ["skips", atLeast(sums.skips)], ["opt_outs", atLeast(sums.opt_outs)],
      ].map(([name, value]) => el("div", {}, el("dt", {}, say(`care.${name}`)),
        el("dd", {}, el("span", { class: "value" }, value)))))
    : el("p", { class: "empty" }, say("care.few"));
  if (byId("care").textContent !== about.textContent) byId("care").replaceChildren(about);
}

const atLeast = (number) => say(number ? "care.at_least" : "care.below", { n: number || 5 });

// Agreement

function agreement({ agreement: found, charts, config }) {
  const series = Object.entries(found?.modalities ?? {}).filter(([, points]) => points.length);
  byId("agreement-none").hidden = !found || series.length > 0;
  byId("agreement-some").hidden = series.length === 0;
  if (!series.length) return;
  byId("agreement-sampled").hidden = found.share === 1;
  byId("agreement-sampled").textContent = say("agreement.sampled", { share: share(found.share, 1) });
  fill("agreements", () => series.map(([name, points]) => {
    const last = points.at(-1);
    return el("tr", {}, rowHead(modality(name)), numberCell(interval(last.alpha)), numberCell(interval(last.ac2)),
      numberCell(count(last.n)), numberCell(count(last.paired)));
  }), series);
  fill("course", () => series.flatMap(([name, points]) => points.map((point) => el("tr", {},
    rowHead(modality(name)), numberCell(count(point.n)), numberCell(interval(point.alpha)),
    numberCell(interval(point.ac2)), numberCell(count(point.paired))))), series);
  drawCharts(charts, config);
}

// Disputes, stops, policy

function disputes({ counts, now }) {
  if (!counts) return;
  const cases = counts.disputes;
  byId("cases").closest(".scroll").hidden = !cases.length;
  byId("cases-none").hidden = cases.length > 0;
  fill("cases", () => cases.map((each) => el("tr", {}, rowHead(modality(each.modality)),
    cell(say(`reason.${each.reason}`)), numberCell(count(each.open)),
    cell(each.oldest ? since(each.oldest, now) : "–"), numberCell(count(each.decided)))), cases);
}

function stopState(stop) {
  if (stop.lifted_at) {
    return el("span", {}, say("stops.lifted"), " ", when(stop.lifted_at), el("br"),
      el("span", { class: "muted", dir: "auto" }, stop.because));
  }
  if (!stop.reported_at) return el("span", { class: "dot undone" }, say("stops.undone"));
  const number = stop.reference ? ` (${stop.reference})` : "";
  return el("span", {}, say("stops.reported"), " ", when(stop.reported_at), el("br"),
    el("span", { class: "muted", dir: "auto" }, stop.reported_to + number));
}

function stops({ stops: all }) {
  byId("stopped").closest(".scroll").hidden = !all.length;
  byId("stopped-none").hidden = all.length > 0;
  const undone = all.filter((stop) => !stop.reported_at && !stop.lifted_at).length;
  byId("urgent").hidden = !undone;
  if (undone) {
    byId("urgent").replaceChildren(say("stops.urgent", { n: count(undone) }), " ",
      el("a", { href: "#stops" }, say("stops.to_list")));
  }
  fill("stopped", () => all.map((stop) => el("tr", {}, rowHead(stop.sample), cell(modality(stop.modality)),
    cell(say(`kind.${stop.kind}`)), cell(when(stop.stopped_at)), cell(stopState(stop)),
    cell(stopButtons(stop)))), all);
}

function policy({ policy: versions }) {
  fill("versions", () => versions.map((each) => el("tr", {}, numberCell(String(each.version)),
    cell(when(each.made_at)), cell(each.category ?? ""),
    cell(el("span", { dir: "auto" }, each.text ?? say("policy.first", { label: each.label })), "prose-cell"), cell(each.by ?? ""))), versions);
}

// The machine and the log

function health({ health: found, now }) {
  const rows = [
    ["database", found.database], ["size", bytes(found.bytes)], ["free", bytes(found.free)],
    ["swept", found.swept_at ? since(found.swept_at, now) : "–"], ["overdue", count(found.overdue)],
  ];
  fill("health", () => rows.map(([name, value]) => el("tr", {}, rowHead(say(`health.${name}`)), cell(value))),
    [rows.map(([, value]) => value.textContent ?? value)]);
}

let before = null;
async function moreOfLog() {
  const page = await get(`/api/lead/log${before ? `?before=${before}` : ""}`);
  const named = (entry) => (entry.about ? `${entry.about} · ${entry.subject}` : entry.subject);
  byId("entries").tBodies[0].append(...page.entries.map((entry) => el("tr", {}, cell(when(entry.at), "nowrap"),
    cell(el("span", { dir: "auto" }, entry.who ?? say(entry.unnamed ? "log.unnamed" : "log.machine"))), cell(say(`action.${entry.action}`).replace(/^action\./, "")),
    cell(el("span", { dir: "auto" }, named(entry))))));
  before = page.next;
  byId("log-more").hidden = before === null;
  byId("log-more").textContent = say("log.more");
}

// Drawing, again and again

function show(figures) {
  shown = figures;
  latest = Date.now();
  for (const draw of [progress, people, care, agreement, disputes, stops, policy, health, followPerson]) draw(figures);
}

let asked = 0;
let answered = 0;
async function refresh() {
  const turn = ++asked;
  try {
    const figures = await get("/api/lead");
    // Two can be under way: an answer that was overtaken is older than what is shown.
    answered = Math.max(answered, turn);
    await released();
    if (turn < answered) return;
    show(figures);
    byId("away").hidden = true;
    refreshQuality();
  } catch {
    if (turn > answered) byId("away").hidden = false;
  }
}

// Quality takes longer to tell than the rest, and changes more slowly.
const QUALITY_MS = 60_000;
let judged = 0;
async function refreshQuality() {
  if (Date.now() - judged < QUALITY_MS) return;
  judged = Date.now();
  const found = await get("/api/lead/quality").catch(() => null);
  if (found) showQuality(found);
  if (!found?.ready) judged -= QUALITY_MS - EVERY_MS;
}

show(first);
refreshQuality();
// What was not counted yet is asked for sooner.
const counting = setInterval(() => {
  if (shown.counts && shown.agreement) clearInterval(counting);
  else if (!document.hidden) refresh();
}, 1_500);
setInterval(() => {
  if (!document.hidden && Date.now() - latest >= EVERY_MS - 500) refresh();
}, EVERY_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
document.addEventListener("changed", refresh);
byId("log-more").addEventListener("click", () => moreOfLog().catch((error) => announce(error.message)));
