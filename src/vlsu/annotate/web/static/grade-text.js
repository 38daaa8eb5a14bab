// @ts-check
/** A sample's text, as its reader sees it, with what nobody sees made visible. */

import { make, say } from "./grade-dom.js";

const NAMES = new Map(Object.entries({
  "\u061c": "ALM", "\u200e": "LRM", "\u200f": "RLM", "\u202a": "LRE", "\u202b": "RLE",
  "\u202c": "PDF", "\u202d": "LRO", "\u202e": "RLO", "\u2066": "LRI", "\u2067": "RLI",
  "\u2068": "FSI", "\u2069": "PDI", "\u200b": "ZWSP", "\u2060": "WJ", "\ufeff": "BOM",
  "\u00ad": "SHY", "\u2028": "LSEP", "\u2029": "PSEP",
}));
// Direction controls, characters without width, control characters, and tag characters: with the
// last a text can hide another. (Flags of countries' parts are written with them, after a black flag.)
const HIDDEN = new RegExp(
  "[\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\u200b\\u2060\\ufeff\\u00ad\\u2028\\u2029" +
  "\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]" +
  "|(?<!\\u{1f3f4}[\\u{e0020}-\\u{e007e}]*)[\\u{e0020}-\\u{e007f}]+",
  "gu",
);

/** @param {string} hidden */
function mark(hidden) {
  const code = hidden.codePointAt(0) || 0;
  if (code >= 0xe0020) {
    const plain = [...hidden].map((each) => String.fromCodePoint((each.codePointAt(0) || 0) - 0xe0000));
    return say("hidden_text", { text: plain.join("").replace(/[^ -~]/g, "") });
  }
  return NAMES.get(hidden) || `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/**
 * Write a text into an element. The characters stay, so that it reads as its reader would see it.
 * @param {HTMLElement} place
 * @param {string} text
 * @param {string | null} language
 */
export function write(place, text, language) {
  place.textContent = "";
  if (language) place.lang = language;
  else place.removeAttribute("lang");
  let at = 0;
  for (const match of text.matchAll(HIDDEN)) {
    place.append(text.slice(at, match.index + match[0].length));
    place.append(make("span", { class: "control", text: mark(match[0]), lang: document.documentElement.lang }));
    at = match.index + match[0].length;
  }
  place.append(text.slice(at));
}
