// @ts-check
/** Showing and hiding the picture: a short press stays, a long one lasts as long as it is held. */

import { byId, make, say } from "./grade-dom.js";

const LONG = 350;

const frame = byId("frame");
const area = byId("picture");
const button = byId("show");
const larger = byId("larger");

/** @type {import("./grade-picture.js").Picture | null} */
let picture = null;
let shown = false;
let seen = false;
let pressed = 0;
let wasShown = false;
/** Whether it was asked for before it was here. */
let wanted = false;

/** Whether the picture of the item that is open was shown. */
export const wasSeen = () => seen;
export const hasPicture = () => picture !== null;

/** @param {HTMLImageElement} image */
function place(image) {
  image.alt = say(shown ? "picture_shown" : "picture_hidden");
  frame.style.setProperty("--width", `${image.width}px`);
  frame.style.setProperty("--ratio", String(image.width / image.height));
  frame.replaceChildren(image);
}

function draw() {
  frame.dataset.shown = String(shown);
  button.setAttribute("aria-pressed", String(shown));
  button.children[0].textContent = say(shown ? "hide" : "show");
  larger.hidden = !shown;
  byId("hold").hidden = shown;
  if (!picture) return;
  const image = shown ? picture.full : picture.still;
  if (image) {
    place(image);
  } else if (picture.broken) {
    frame.replaceChildren(
      make("p", { text: say("picture_broken") }),
      make("button", { text: say("try_again"), click: retry }),
    );
  } else {
    frame.replaceChildren(make("p", { class: "muted", text: say("picture_loading") }));
  }
}

function retry() {
  if (!picture) return;
  const mine = picture;
  mine.ready = mine.load();
  draw();
  void mine.ready.then(() => { if (picture === mine) arrived(); });
}

function arrived() {
  if (wanted) set(true);
  else draw();
}

/** Open an item's picture, hidden. @param {typeof picture} next */
export function open(next) {
  picture = next;
  shown = seen = wanted = false;
  pressed = 0;
  enlarge(false);
  area.hidden = !next;
  draw();
  if (next?.broken) retry();
  else if (next && !next.still) void next.ready.then(() => { if (picture === next) arrived(); });
}

/** @param {boolean} show */
function set(show) {
  if (!picture) return;
  wanted = show && !picture.full;
  shown = show && !wanted;
  seen ||= shown;
  if (!shown) enlarge(false);
  draw();
}

export const hide = () => { pressed = 0; set(false); };
export const toggle = () => set(!shown);

/** A key or a finger goes down. @param {number} at the event's time: a page that is busy hears of it late */
export function press(at) {
  if (!picture || pressed) return;
  pressed = at;
  wasShown = shown;
  if (!shown) set(true);
}

/** It goes up again. @param {number} at the event's time */
export function release(at) {
  if (!pressed) return;
  const long = at - pressed > LONG;
  pressed = 0;
  if (wasShown || long) set(false);
}

/** @param {boolean} [large] the other size if not given */
export function enlarge(large = frame.dataset.large !== "true") {
  large &&= shown;
  frame.dataset.large = String(large);
  area.dataset.large = String(large);
  byId("content").dataset.large = String(large);
  larger.setAttribute("aria-pressed", String(large));
}

export function listen() {
  button.addEventListener("pointerdown", (event) => { if (event.button === 0) press(event.timeStamp); });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
    button.addEventListener(name, (event) => release(event.timeStamp));
  }
  // What comes without a pointer: Enter, or a screen reader.
  button.addEventListener("click", (event) => { if (event.detail === 0) toggle(); });
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  larger.addEventListener("click", () => enlarge());
  frame.addEventListener("click", (event) => {
    if (event.target instanceof HTMLButtonElement) return;
    if (shown) enlarge();
    else set(true);
  });
  addEventListener("blur", () => { if (pressed) hide(); });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") hide();
  });
}
