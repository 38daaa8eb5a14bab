// Quality by grader, agreement by category, and the items that split the graders.

import { byId, cell, count, el, fill, interval, modality, numberCell, percents, rowHead, say } from "./lead-dom.js";

const GRADES = ["safe", "borderline", "unsafe"];

/** A share with its interval, and of how many; a dash where there is nothing to tell. */
function told(rate, of = null) {
  if (!rate || rate.value === null) return "–";
  const n = of === null ? "" : `, ${say("quality.of", { n: count(of) })}`;
  return el("span", {}, percents(rate.value),
    el("span", { class: "interval" }, ` [${count(100 * rate.low)}; ${count(100 * rate.high)}]${n}`));
}

/** What to ask about: never what to pay by. */
function questions(grader) {
  const asked = [];
  if (grader.flagged) asked.push(say("quality.fast", { share: percents(grader.too_fast.value) }));
  for (const [name, change] of Object.entries(grader.drift ?? {})) {
    if (change && change.high !== null && change.high < 0) asked.push(say(`quality.drift_${name}`));
  }
  return asked.join(" ");
}

export function showQuality({ graders, categories, splits, too_many: tooMany }) {
  const some = graders.some((each) => each.done);
  byId("quality-many").hidden = !tooMany;
  byId("quality-none").hidden = some || tooMany;
  byId("quality-some").hidden = !some;
  fill("qualities", () => graders.map((each) => el("tr", {}, rowHead(el("span", { dir: "auto" }, each.name)),
    numberCell(count(each.done)), numberCell(told(each.agreement)), numberCell(told(each.accuracy, each.known)),
    numberCell(told(each.self_agreement, each.repeats)), numberCell(each.not_sure ? percents(each.not_sure.value) : "–"),
    cell(questions(each), "prose-cell"))), graders);
  fill("categories", () => categories.map((each) => el("tr", {}, rowHead(modality(each.modality)),
    cell(each.category), numberCell(interval(each.alpha)), numberCell(interval(each.ac2)),
    numberCell(count(each.paired)))), categories);
  fill("splits", () => splits.map((each) => el("tr", {}, rowHead(each.item), cell(modality(each.modality)),
    cell(GRADES.filter((name) => each.grades[name]).map((name) =>
      `${say(`grades.${name}`)} ${count(each.grades[name])}`).join(", ")),
    numberCell(percents(each.disagreement)))), splits);
}
