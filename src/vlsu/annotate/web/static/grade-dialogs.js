// @ts-check
/** Help, and the question before an item is stopped. */

import { byId } from "./grade-dom.js";
import * as reveal from "./grade-reveal.js";

/** @param {"help" | "stop-dialog"} id */
export function open(id) {
  reveal.hide();
  /** @type {HTMLDialogElement} */ (byId(id)).showModal();
}

/** @param {(kind: string) => void} stop stops the item that is open */
export function listen(stop) {
  byId("help-button").addEventListener("click", () => open("help"));
  byId("stop").addEventListener("click", () => open("stop-dialog"));
  for (const each of document.querySelectorAll("dialog")) {
    each.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (!button) return;
      each.close();
      if (button.dataset.kind) stop(button.dataset.kind);
    });
  }
}
