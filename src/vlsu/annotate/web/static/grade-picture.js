// @ts-check
/**
 * A picture: hidden until it is asked for. What is shown before is a copy of its first frame, 40
 * pixels wide, which the style sheet blurs and greys: nothing moves, and nothing can be made out.
 */

import { blob } from "./grade-api.js";

const TINY = 40;

/** @param {Blob} data @param {number} width @param {number} height */
async function element(data, width, height) {
  const image = new Image();
  image.decoding = "sync";
  image.draggable = false;
  image.src = URL.createObjectURL(data);
  await image.decode();
  image.width = width || image.naturalWidth;
  image.height = height || image.naturalHeight;
  return image;
}

/** @param {HTMLImageElement} full @param {Blob} data @returns {Promise<Blob>} */
async function firstFrame(full, data) {
  const scale = Math.min(1, TINY / Math.max(full.naturalWidth, full.naturalHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(full.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(full.naturalHeight * scale));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  const frame = await createImageBitmap(data); // of an animation, its first frame
  context.imageSmoothingQuality = "high";
  context.drawImage(frame, 0, 0, canvas.width, canvas.height);
  frame.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((made) => (made ? resolve(made) : reject(new Error("no picture"))), "image/png");
  });
}

export class Picture {
  /** @param {string} path of the image */
  constructor(path) {
    this.path = path;
    /** @type {HTMLImageElement | null} */
    this.full = null;
    /** @type {HTMLImageElement | null} */
    this.still = null;
    this.broken = false;
    this.ready = this.load();
  }

  /** Fetch and decode it; `broken` says whether that failed. */
  async load() {
    this.broken = false;
    try {
      const data = await blob(this.path);
      const full = await element(data, 0, 0);
      this.still = await element(await firstFrame(full, data), full.width, full.height);
      this.full = full;
    } catch {
      this.broken = true;
    }
  }

  /** Let go of the memory. */
  release() {
    for (const image of [this.full, this.still]) if (image) URL.revokeObjectURL(image.src);
  }
}
