// @ts-check
/** Time: how long an item was looked at, and when a break is due. */

const IDLE = 120_000; // without a key, a tap or a scroll, nobody is there
const AWAY = 300_000; // so long a pause is a break
const DUE = 25 * 60_000;
const LATER = 10 * 60_000;

/** When somebody was last there. */
let touched = performance.now();
for (const name of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
  addEventListener(name, () => { touched = performance.now(); }, { passive: true, capture: true });
}

/** Milliseconds without a sign of anybody. */
export const idleFor = () => performance.now() - touched;

const present = () => document.visibilityState === "visible" && idleFor() < IDLE;

/** Adds up the time in which somebody is there and the page can be seen. */
class Stopwatch {
  constructor() {
    this.total = 0;
    this.last = performance.now();
    this.running = false;
  }

  tick() {
    const now = performance.now();
    // A page that was asleep wakes up late: what it slept through is not counted.
    if (this.running && present()) this.total += Math.min(now - this.last, 2000);
    this.last = now;
  }

  start() { this.tick(); this.running = true; }

  pause() { this.tick(); this.running = false; }

  reset() { this.tick(); this.total = 0; }

  get seconds() { this.tick(); return Math.round(this.total) / 1000; }
}

export const shown = new Stopwatch();
export const since = new Stopwatch(); // since the last break

/** @param {string} name of the place in session storage: a page that is loaded anew counts on */
export function keepTime(name) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(name) || "{}");
    if (Date.now() - kept.at < AWAY) since.total = kept.total || 0;
  } catch {
    // Storage is forbidden: counting begins anew.
  }
  since.start();
  setInterval(() => {
    shown.tick();
    if (idleFor() > AWAY) since.reset();
    since.tick();
  }, 1000);
  addEventListener("pagehide", () => {
    try {
      sessionStorage.setItem(name, JSON.stringify({ at: Date.now(), total: since.total }));
    } catch {
      // As above.
    }
  });
}

let snoozed = 0;

/** Whether to offer a break. @param {boolean} told what the server says */
export function breakDue(told) {
  return Date.now() > snoozed && (told || since.seconds * 1000 >= DUE);
}

/** Offer a break again in a while. */
export const later = () => { snoozed = Date.now() + LATER; };

/** Measure how long it takes until what was drawn now is on the screen. @param {number} start */
export function painted(start) {
  requestAnimationFrame(() => setTimeout(() => performance.measure("next-item", { start })));
}
