// @ts-check
/** Opt-outs that are saved as they are ticked, and a break that counts down. */

import { post } from "./grade-api.js";

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const strings = JSON.parse(byId("strings").textContent || "{}");
const saved = byId("saved");

/** @param {string} text @param {boolean} [bad] */
function tell(text, bad = false) {
  saved.textContent = text;
  saved.classList.toggle("bad", bad);
}

byId("categories").addEventListener("change", async (event) => {
  const box = /** @type {HTMLInputElement} */ (event.target);
  box.disabled = true;
  tell("");
  try {
    await post("api/opt-out", { category: box.name, out: box.checked });
    tell(box.checked ? strings.saved_out : strings.saved_in);
  } catch {
    box.checked = !box.checked;
    tell(strings.failed, true);
  } finally {
    box.disabled = false;
    box.focus();
  }
});

let timer = 0;
byId("take").addEventListener("click", () => {
  const left = byId("left");
  const until = Date.now() + Number(byId("break").dataset.minutes) * 60_000;
  void post("api/break", {}).catch(() => {}); // whoever rests, rests: the server sees it as well
  clearInterval(timer);
  left.hidden = false;
  byId("said").textContent = strings.break_began;
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    left.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (seconds) return;
    clearInterval(timer);
    left.textContent = strings.break_over;
    byId("said").textContent = strings.break_over;
  };
  tick();
  timer = setInterval(tick, 1000);
});
