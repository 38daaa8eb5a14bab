// @ts-check
/**
 * Answers on their way. Each is kept in memory and in the tab's session storage, without content,
 * and is sent with the same client id until the server has acknowledged it: never lost, and counted
 * once however often it is sent.
 */

import { Failure, post } from "./grade-api.js";

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;

/**
 * @typedef {{ path: string, key: string, body: Record<string, any>, tries: number }} Entry
 * @typedef {"saved" | "sending" | "retrying" | "signed-out" | "stale"} State
 */

/** An identifier for an answer. (`randomUUID` is for secure contexts alone.) */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Outbox {
  /**
   * @param {string} name of the place in session storage
   * @param {{
   *   changed: () => void,
   *   done: (entry: Entry, result: any) => void,
   *   failed: (entry: Entry, failure: Failure) => void,
   * }} on
   */
  constructor(name, on) {
    this.name = name;
    this.on = on;
    /** @type {Entry[]} */
    this.entries = this.#stored();
    /** @type {State} */
    this.state = this.entries.length ? "sending" : "saved";
    this.busy = false;
    this.wait = FIRST_WAIT;
    this.timer = 0;
    /** @type {((all: boolean) => void)[]} */
    this.waiting = [];
    addEventListener("online", () => this.kick());
    addEventListener("beforeunload", (event) => { if (this.entries.length) event.preventDefault(); });
  }

  get pending() { return this.entries.length; }

  /** Items that are answered and not acknowledged. */
  get keys() { return this.entries.map((entry) => entry.key); }

  /** @param {string} path @param {string} key of the item @param {Record<string, any>} body */
  add(path, key, body) {
    this.entries.push({ path, key, body, tries: 0 });
    this.#store();
    if (this.state === "saved") this.state = "sending";
    this.on.changed();
    if (!this.timer) void this.#send();
  }

  /** Take the last grade out again, if no try to send it was begun. @returns {Entry | null} */
  takeOut() {
    const at = this.entries.findLastIndex((entry) => entry.path === "api/submit");
    const entry = this.entries[at];
    if (!entry || entry.tries > 0) return null;
    this.entries.splice(at, 1);
    this.#store();
    this.#settle();
    return entry;
  }

  /** Send now, whatever was waited for. */
  kick() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.wait = FIRST_WAIT;
    void this.#send();
  }

  /** Whether everything is acknowledged, once it is or cannot be now. @returns {Promise<boolean>} */
  empty() {
    if (!this.entries.length) return Promise.resolve(true);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  async #send() {
    if (this.busy) return;
    this.busy = true;
    while (this.entries.length) {
      const [entry] = this.entries;
      const again = entry.tries > 0;
      entry.tries += 1;
      this.#store();
      try {
        const result = await post(entry.path, entry.body);
        this.wait = FIRST_WAIT;
        this.#drop(entry);
        this.on.done(entry, result);
      } catch (error) {
        const failure = error instanceof Failure ? error : new Failure("wrong", String(error));
        if (failure.kind === "lost" || failure.kind === "wrong") {
          this.#drop(entry);
          // A skip or a stop that was sent twice finds the item gone: the first try arrived.
          const arrived = failure.kind === "lost" && again && entry.path !== "api/submit";
          if (arrived) this.on.done(entry, {});
          else this.on.failed(entry, failure);
          continue;
        }
        this.state = failure.kind === "away" ? "retrying" : failure.kind;
        break;
      }
    }
    this.busy = false;
    if (this.entries.length && this.state === "retrying") this.#later();
    this.#settle();
  }

  #later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.timer = 0; void this.#send(); }, this.wait);
    this.wait = Math.min(LONGEST_WAIT, this.wait * 2);
  }

  #settle() {
    if (!this.entries.length) this.state = "saved";
    for (const resolve of this.waiting.splice(0)) resolve(!this.entries.length);
    this.on.changed();
  }

  /** @param {Entry} entry */
  #drop(entry) {
    this.entries = this.entries.filter((each) => each !== entry);
    this.state = this.entries.length ? "sending" : "saved";
    this.#store();
    this.on.changed();
  }

  #store() {
    try {
      if (this.entries.length) sessionStorage.setItem(this.name, JSON.stringify(this.entries));
      else sessionStorage.removeItem(this.name);
    } catch {
      // Storage is full or forbidden: the answers are in memory.
    }
  }

  /** @returns {Entry[]} */
  #stored() {
    try {
      const found = JSON.parse(sessionStorage.getItem(this.name) || "[]");
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }
}
