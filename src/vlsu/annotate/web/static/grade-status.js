// @ts-check
/** What the page says of itself: what is saved, what went wrong, what was done today. */

import { address, get } from "./grade-api.js";
import { announce, byId, make, say } from "./grade-dom.js";

const notices = byId("notices");
const PASSING = 20_000;

/** What the server says of this grader: see `GET /api/me`. @type {any} */
let me = null;
let asked = 0;
let answered = 0;

export const breakDue = () => Boolean(me?.break_due);
export const supportText = () => me?.support?.text || say("support");

/** @param {{ state: string, pending: number }} outbox */
export function showSaved({ state, pending }) {
  const place = byId("saved");
  place.dataset.state = state;
  const name = {
    saved: "saved", sending: pending > 1 ? "sending" : "saving", retrying: "retrying",
    "signed-out": "unsent", stale: "unsent",
  }[state] || "unsent";
  const text = say(name, { number: pending });
  if (place.textContent !== text) place.textContent = text;
  if (state === "signed-out" || state === "stale") showSignedOut(state);
}

/** @param {string} kind `signed-out` or `stale` */
export function showSignedOut(kind) {
  if (notices.querySelector("[data-kind=session]")) return;
  notices.prepend(make("div", { class: "notice bad", role: "alert", "data-kind": "session" },
    make("p", { text: say(kind === "stale" ? "stale" : "signed_out") }),
    make("div", { class: "row" },
      kind === "stale" ? "" : make("a", {
        class: "button", href: address("login"), target: "_blank", rel: "noopener", text: say("sign_in"),
      }),
      make("button", { text: say("load_again"), click: again }))));
}

/** Load the page anew if somebody is signed in; answers that are not sent are kept for it. */
async function again() {
  try {
    await get("api/me");
  } catch {
    announce(say("signed_out"));
    return;
  }
  addEventListener("beforeunload", (event) => event.stopImmediatePropagation(), { capture: true });
  location.reload();
}

/** @param {string} text @param {"" | "bad" | "good"} [kind] what is bad stays for a while */
export function notify(text, kind = "") {
  clearNotices();
  const close = make("button", { class: "quiet", "aria-label": say("close"), text: "×" });
  const notice = make("div", { class: `notice passing ${kind}`, role: "alert" }, make("p", { text }), close);
  close.addEventListener("click", () => notice.remove());
  setTimeout(() => notice.remove(), PASSING);
  notices.append(notice);
}

/** Take away what was said about the item before. */
export function clearNotices() {
  for (const each of notices.querySelectorAll(".passing:not(.bad)")) each.remove();
}

/** @param {"" | "fetching" | "checking" | "away"} what there is no item for */
export function showState(what) {
  const place = byId("state");
  place.hidden = !what;
  place.textContent = what ? say(`state_${what}`) : "";
}

/** Ask the server anew. @param {(notes: any[], version: number) => void} policy */
export async function refresh(policy) {
  const turn = ++asked;
  /** @type {any} */
  let found;
  try {
    found = await get("api/me");
  } catch {
    return; // it comes with the next heartbeat
  }
  if (turn < answered) return; // it was overtaken: what is shown is newer
  answered = turn;
  const first = me === null;
  me = found;
  policy(me.policy.notes, me.policy.version);
  if (first && !me.done) welcome();
  showToday();
}

/** Who has graded nothing yet is told where to read how it works. */
function welcome() {
  if (notices.childElementCount) return;
  notices.append(make("div", { class: "notice passing", role: "status" }, make("p", { text: say("welcome") }),
    make("button", { text: say("help"), click: () => byId("help-button").click() })));
}

/** One more is done, until the server counts. @param {number} seconds */
export function count(seconds) {
  if (!me) return;
  me.today.items += 1;
  me.today.minutes += seconds / 60;
  showToday();
}

function showToday() {
  const { today, bounds } = me;
  const minutes = Math.round(today.minutes);
  byId("today").textContent = [
    say("today_items", { number: today.items }),
    bounds.minutes ? say("today_minutes_of", { minutes, bound: bounds.minutes }) : say("today_minutes", { minutes }),
    bounds.hard ? say("today_hard_of", { number: today.hard, bound: bounds.hard }) : say("today_hard", { number: today.hard }),
  ].join(" · ");
}
