// @ts-check
/** Requests to the server. */

const page = document.documentElement.dataset;
const SECONDS = 20;

/** The address of a path below the server's root. @param {string} path */
export const address = (path) => `${page.root || ""}/${path}`;

/**
 * Why a request has no answer:
 * - `away`: no line, or the server or its database is not there; the same request may be repeated;
 * - `signed-out`; `stale`: the page is of an older session;
 * - `lost`: the item is no longer this grader's;
 * - `wrong`: refused; repeating it does not help.
 */
export class Failure extends Error {
  /** @param {"away" | "signed-out" | "stale" | "lost" | "wrong"} kind @param {string} [message] */
  constructor(kind, message = "") {
    super(message);
    this.kind = kind;
  }
}

/** @param {number} status @returns {Failure["kind"]} */
function kindOf(status) {
  if (status === 401) return "signed-out";
  if (status === 403) return "stale";
  if (status === 409) return "lost";
  return status >= 500 || status === 408 || status === 429 ? "away" : "wrong";
}

/** @param {string} path @param {RequestInit} options @returns {Promise<Response>} */
async function request(path, options) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(address(path), { signal: AbortSignal.timeout(SECONDS * 1000), ...options });
  } catch {
    throw new Failure("away");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Failure(kindOf(response.status), typeof body.error === "string" ? body.error : "");
}

/** @param {Response} response */
async function content(response) {
  try {
    return await response.json();
  } catch {
    throw new Failure("away"); // the line dropped within the answer, or a proxy's page came
  }
}

/** @param {string} path @param {Record<string, unknown>} body */
export async function post(path, body) {
  return content(await request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": page.csrf || "" },
    body: JSON.stringify(body),
    keepalive: true, // an answer on its way arrives even if the page is left
  }));
}

/** @param {string} path */
export const get = async (path) => content(await request(path, {}));

/** @param {string} path @returns {Promise<Blob>} */
export async function blob(path) {
  const response = await request(path, {});
  try {
    return await response.blob();
  } catch {
    throw new Failure("away");
  }
}
