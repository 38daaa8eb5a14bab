// @ts-check
/** The items that the page has: the one that is open, and the next, fetched and decoded ahead. */

import { Failure, post } from "./grade-api.js";
import { Picture } from "./grade-picture.js";

const LONGEST_WAIT = 30_000;

/**
 * @typedef {{
 *   key: string, sample: string, modality: "image" | "text" | "joint", image: string | null,
 *   text: string | null, language: string | null, training: boolean, until: number,
 *   picture: Picture | null,
 * }} Item
 */

export class Supply {
  /**
   * @param {{ held: number, answered: () => string[] }} about how many items a grader may hold, and
   *   the keys of those that are answered and not acknowledged
   * @param {{
   *   came: () => void, none: (why: string) => void, taken: () => void,
   *   failed: (failure: Failure) => void,
   * }} on an item came while none was open; there is none; the open one was taken away; no answer
   */
  constructor(about, on) {
    this.about = about;
    this.on = on;
    /** @type {Item | null} */
    this.current = null;
    /** @type {Item[]} */
    this.ahead = [];
    this.why = "";
    this.running = true;
    this.fetching = false;
    this.again = false;
    this.wait = 1000;
    this.timer = 0;
  }

  /** Items that the page has, those that are being sent too. */
  get holds() {
    const mine = [this.current, ...this.ahead].flatMap((item) => (item ? [item.key] : []));
    return [...new Set([...mine, ...this.about.answered()])];
  }

  /** Open the next item, if there is one. @returns {Item | null} */
  advance() {
    this.current = this.ahead.shift() || null;
    void this.fill();
    return this.current;
  }

  /** Open an item before the one that is open. @param {Item} item */
  putBack(item) {
    if (this.current) this.ahead.unshift(this.current);
    this.current = item;
  }

  /** Fetch what is missing; again if asked while fetching. */
  async fill() {
    if (this.fetching) {
      this.again = true;
      return;
    }
    this.fetching = true;
    clearTimeout(this.timer);
    do {
      this.again = false;
      await this.#fetchAll();
    } while (this.again && this.running);
    this.fetching = false;
  }

  async #fetchAll() {
    const wanted = this.about.held > 1 ? 2 : 1;
    while (this.running && Number(this.current !== null) + this.ahead.length < wanted) {
      /** @type {{ item: any, why?: string }} */
      let found;
      try {
        found = await post("api/next", { holds: this.holds });
        this.wait = 1000;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        this.on.failed(error);
        if (error.kind === "away") this.#later(this.wait);
        this.wait = Math.min(LONGEST_WAIT, this.wait * 2);
        return;
      }
      if (!this.running) return;
      if (!found.item) {
        this.why = found.why || "wait";
        if (!this.current && !this.ahead.length && !this.again) {
          this.on.none(this.why);
          if (this.why === "wait" || this.why === "held") this.#later(LONGEST_WAIT);
        }
        return;
      }
      this.why = "";
      if (!this.#take(found.item)) return;
    }
  }

  /** @param {any} found as the server has it @returns {Item} */
  static prepare(found) {
    return { ...found, picture: found.image ? new Picture(found.image) : null };
  }

  /** @param {any} found @returns {boolean} whether it is new */
  #take(found) {
    if (this.holds.includes(found.key)) return false;
    const item = Supply.prepare(found);
    this.ahead.push(item);
    if (!this.current) this.on.came();
    return true;
  }

  /** @param {number} wait */
  #later(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.fill(), wait);
  }

  /** Say that the items are still open, and let go of those that are no longer this grader's. */
  async heartbeat() {
    const holds = this.holds;
    if (!holds.length || !this.running) return;
    /** @type {{ held: string[] }} */
    let found;
    try {
      found = await post("api/extend", { holds });
    } catch (error) {
      if (error instanceof Failure && error.kind !== "away") this.on.failed(error);
      return;
    }
    const gone = (/** @type {Item} */ item) => holds.includes(item.key) && !found.held.includes(item.key);
    this.ahead = this.ahead.filter((item) => !gone(item));
    if (this.current && gone(this.current)) {
      this.current = null;
      this.on.taken();
    }
    if (!this.ahead.length && !this.why) void this.fill();
  }

  /** Let go of every item: another window goes on with them. */
  stop() {
    this.running = false;
    clearTimeout(this.timer);
    this.current = null;
    this.ahead = [];
  }

  start() {
    this.running = true;
    void this.fill();
  }
}
