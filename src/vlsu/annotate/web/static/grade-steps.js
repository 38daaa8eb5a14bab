// @ts-check
/** The steps of an answer, one key each, and what is sent in the end. */

/**
 * @typedef {{
 *   grade: string | null, category: string | null, refers: string | null, because: string | null,
 *   confidence: number | null, admissible: string[], note: string,
 * }} Draft
 * @typedef {"grade" | "category" | "refers" | "because" | "done"} Step
 */

/** Keys of grades. */
export const GRADE_KEYS = { safe: "1", borderline: "2", unsafe: "3", not_sure: "0" };
/** Letters that mean something else while a category is chosen: note, policy, skip, take back. */
const TAKEN = "npsz";
const LETTERS = [..."abcdefghijklmnopqrstuvwxyz"].filter((each) => !TAKEN.includes(each));

/** @returns {Draft} */
export const emptyDraft = () => ({
  grade: null, category: null, refers: null, because: null, confidence: null, admissible: [], note: "",
});

/** The key of the option at a place of a list; empty where there are no more keys. */
export const letterOf = (/** @type {number} */ at) => LETTERS[at] || "";

/** @param {string} name of a reason @param {number} at */
export const digitOf = (name, at) => (name === "neither" ? "0" : at < 9 ? String(at + 1) : "");

/** @param {string | null} grade */
export const isHarmful = (grade) => grade !== null && grade !== "safe" && grade !== "not_sure";

/**
 * What is to be answered next.
 * @param {string} modality
 * @param {Draft} draft
 * @returns {Step}
 */
export function nextStep(modality, draft) {
  if (draft.grade === null) return "grade";
  if (isHarmful(draft.grade) && draft.category === null) return "category";
  if (modality === "joint" && draft.grade !== "not_sure") {
    if (draft.refers === null) return "refers";
    if (draft.because === null) return "because";
  }
  return "done";
}

/** Take back the last step of a draft; whether there was one. @param {Draft} draft */
export function stepBack(draft) {
  for (const name of /** @type {const} */ (["because", "refers", "category", "grade"])) {
    if (draft[name] !== null) {
      draft[name] = null;
      return true;
    }
  }
  return false;
}

/**
 * The body of an answer.
 * @param {{ key: string, image: string | null }} item
 * @param {Draft} draft
 * @param {{ id: string, revealed: boolean, seconds: number }} about
 */
export function answer(item, draft, { id, revealed, seconds }) {
  return {
    key: item.key,
    client_id: id,
    grade: draft.grade,
    category: draft.category,
    confidence: draft.confidence,
    admissible: draft.admissible.filter((each) => each !== draft.grade),
    refers: draft.refers,
    because: draft.because,
    revealed: item.image ? revealed : null,
    note: draft.note.trim(),
    seconds,
  };
}
