// @ts-check
/** Opt-outs that are saved as they are ticked, and a break that counts down. */

import { post } from "./grade-api.js";
import { byId, say } from "./grade-dom.js";

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
    tell(box.checked ? say("saved_out") : say("saved_in"));
  } catch {
    box.checked = !box.checked;
    tell(say("failed"), true);
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
  byId("said").textContent = say("break_began");
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    left.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (seconds) return;
    clearInterval(timer);
    left.textContent = say("break_over");
    byId("said").textContent = say("break_over");
  };
  tick();
  timer = setInterval(tick, 1000);
});
