// The export: begun by a button, told of until it has ended.

import { announce, byId, count, get, modality, numberCell, el, post, rowHead, say, share, when } from "./lead-dom.js";

const EVERY_MS = 1_000;
let waiting = null;
let asked = 0;
let answered = 0;

function figures(found) {
  return Object.entries(found.modalities).map(([name, each]) => el("tr", {}, rowHead(modality(name)),
    numberCell(`${count(each.decided)} (${share(each.decided, found.samples)})`),
    numberCell(count(each.dispute)), numberCell(count(each.unfinished)), numberCell(count(each.grades))));
}

function show(found) {
  const running = found.state === "running";
  byId("export-begin").disabled = running;
  byId("export-state").hidden = found.state === "none";
  byId("export-state").className = found.state === "failed" ? "notice bad" : "notice";
  if (found.state !== "none") {
    byId("export-state").replaceChildren(
      say(`export.${found.state}`, { n: count(found.samples ?? 0) }), " ",
      el("code", { dir: "ltr" }, found.folder), " · ", when(found.ended_at ?? found.began_at));
  }
  byId("export-figures").hidden = found.state !== "done";
  if (found.state === "done") byId("export-rows").tBodies[0].replaceChildren(...figures(found));
  clearTimeout(waiting);
  if (running) waiting = setTimeout(ask, EVERY_MS);
}

/** Show what a request tells, unless a later one was answered before: it is older than what is shown. */
async function tell(request) {
  const turn = ++asked;
  const found = await request;
  if (turn < answered) return;
  answered = turn;
  show(found);
}

async function ask() {
  try {
    await tell(get("/api/lead/export"));
  } catch {
    clearTimeout(waiting);
    waiting = setTimeout(ask, 5 * EVERY_MS);
  }
}

byId("export-begin").addEventListener("click", async () => {
  try {
    await tell(post("/api/lead/export", {}));
  } catch (error) {
    announce(error.message);
    ask();
  }
});
ask();
