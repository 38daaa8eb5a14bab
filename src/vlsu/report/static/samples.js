"use strict";
// The list of samples: filters, a list that draws only the rows in view, and one sample in full.
// What an entry holds is told in entries.py; texts enter the page as textContent only.
(async () => {
  const form = document.getElementById("filters");
  if (!form) return;
  const list = document.getElementById("list");
  const rows = document.getElementById("rows");
  const matches = document.getElementById("matches");
  const aside = document.getElementById("detail");
  const sheet = document.getElementById("sheet");
  const wide = window.matchMedia("(min-width: 900px)");
  const fields = form.elements;
  const choices = [...form.querySelectorAll("select")];

  const { pictures, columns } = JSON.parse(document.getElementById("picture-data").textContent);
  const samples = await unpacked(document.getElementById("sample-data").textContent);
  const places = new Map(samples.map((sample, n) => [sample.id, n]));
  const shown = new Set(); // images that were clicked
  let haystacks = null; // made when words are first looked for
  let found = samples.map((_, n) => n); // places of the samples that match
  let active = 0; // place in `found`

  async function unpacked(text) {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(plain).json();
  }

  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // Filters

  const isOfParts = (select) => select.dataset.of === "each";
  const facetsOf = (sample, select) =>
    isOfParts(select) ? (sample.each ?? []) : [sample.facets ?? {}];

  for (const select of choices) {
    const counts = new Map();
    for (const sample of samples) {
      const values = facetsOf(sample, select).flatMap((facets) => facets[select.name] ?? []);
      for (const value of new Set(values)) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const sorted = [...counts].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
    select.append(...sorted.map(([value, n]) => new Option(`${value} (${n})`, value)));
    select.closest("label").hidden = counts.size === 0;
  }

  const holds = (facets, select) => [facets[select.name]].flat().includes(select.value);

  function matching(words) {
    const chosen = choices.filter((select) => select.value);
    const ofSample = chosen.filter((select) => !isOfParts(select));
    const ofParts = chosen.filter(isOfParts);
    const every = (facets, selects) => selects.every((select) => holds(facets, select));
    if (words && !haystacks) haystacks = samples.map(haystack);
    return samples.flatMap((sample, n) => {
      const keep =
        every(sample.facets ?? {}, ofSample) &&
        (!ofParts.length || (sample.each ?? []).some((part) => every(part, ofParts))) &&
        (!words || haystacks[n].includes(words));
      return keep ? [n] : [];
    });
  }

  function haystack(sample) {
    const said = (sample.said ?? []).map(([, words]) => words);
    return [sample.id, sample.text, sample.reason, ...said].join("\n").toLowerCase();
  }

  function filter() {
    found = matching(fields.words.value.trim().toLowerCase());
    const all = samples.length.toLocaleString("en");
    matches.textContent = `${found.length.toLocaleString("en")} of ${all} match`;
    rows.style.height = `calc(var(--row) * ${found.length})`;
    list.scrollTop = 0;
    activate(0);
  }

  // The list

  const rowHeight = () => parseFloat(getComputedStyle(list).getPropertyValue("--row"));

  function drawRows() {
    const height = rowHeight();
    const first = Math.max(0, Math.floor(list.scrollTop / height) - 6);
    const last = Math.ceil((list.scrollTop + list.clientHeight) / height) + 6;
    const kept = new Map([...rows.children].map((row) => [row.id, row]));
    const wanted = found.slice(first, last).map((place, n) => {
      return kept.get(`row-${place}`) ?? row(place, first + n, height);
    });
    wanted.forEach((element, n) => placeRow(element, first + n, height));
    rows.replaceChildren(...wanted);
    const current = document.getElementById(`row-${found[active]}`);
    if (current) list.setAttribute("aria-activedescendant", current.id);
    else list.removeAttribute("aria-activedescendant");
  }

  function placeRow(element, at, height) {
    element.style.top = `${at * height}px`;
    element.dataset.at = at;
    element.setAttribute("aria-posinset", at + 1);
    element.setAttribute("aria-setsize", found.length);
    element.setAttribute("aria-selected", String(at === active));
  }

  function row(place) {
    const sample = samples[place];
    const element = make("div", "row");
    element.id = `row-${place}`;
    element.setAttribute("role", "option");
    const about = make("div", "about-row");
    const line = make("div", "line");
    if (sample.tag) line.append(make("span", `tag ${sample.family ?? ""}`, sample.tag));
    line.append(make("span", "id", sample.id));
    line.append(...(sample.marks ?? []).map(mark));
    const text = make("div", "text", (sample.text ?? "").slice(0, 300));
    text.dir = "auto";
    about.append(line, text);
    element.append(thumb(sample), about);
    return element;
  }

  function thumb(sample) {
    const box = make("div", "thumb");
    const known = pictures[sample.image];
    if (known?.uri) {
      const image = picture(known);
      image.classList.toggle("clear", fields.unblur.checked);
      box.append(image);
    }
    return box;
  }

  function picture(known) {
    const image = make("img");
    image.src = known.uri;
    image.width = known.width;
    image.height = known.height;
    image.alt = "";
    return image;
  }

  function mark(cell) {
    if (typeof cell === "string") return make("span", "mark", cell);
    const words = cell.words ?? cell.mark;
    const element = make("span", `mark ${cell.mark}`, words);
    if (cell.words) element.append(make("span", "hidden", ` ${cell.mark}`));
    return element;
  }

  // One sample: beside the list, or over it where there is no room

  function activate(at, scroll = true) {
    active = Math.max(0, Math.min(at, found.length - 1));
    if (scroll) scrollTo(active);
    drawRows();
    show();
  }

  function scrollTo(at) {
    const height = rowHeight();
    const top = at * height;
    if (top < list.scrollTop) list.scrollTop = top;
    const under = top + height - list.clientHeight;
    if (under > list.scrollTop) list.scrollTop = under;
  }

  function show() {
    const sample = samples[found[active]];
    const place = sheet.open ? sheet : aside;
    const content = sample ? [card(sample)] : [make("p", "empty", "No sample matches.")];
    if (place === sheet) content.unshift(closeButton());
    place.replaceChildren(...content);
    place.scrollTop = 0;
  }

  function openSheet() {
    if (wide.matches || sheet.open || !found.length) return;
    sheet.showModal();
    show();
  }

  function closeButton() {
    const button = make("button", "close", "Close");
    button.type = "button";
    button.addEventListener("click", () => sheet.close());
    return button;
  }

  function card(sample) {
    const article = make("article", "sample");
    const title = make("h3");
    title.append(make("span", "id", sample.id));
    if (sample.tag) title.append(make("span", `tag ${sample.family ?? ""}`, sample.tag));
    if (sample.family) title.append(make("span", "more", sample.family));
    const link = make("a", "more", "link");
    link.href = `#sample=${encodeURIComponent(sample.id)}`;
    link.setAttribute("aria-label", `Link to sample ${sample.id}`);
    title.append(link);
    article.append(title);
    if (sample.image) article.append(veiled(sample));
    if (sample.text) {
      const text = make("p", "said", sample.text);
      text.dir = "auto";
      article.append(text);
    }
    if (sample.cut) article.append(rest(sample.cut));
    if (sample.caption) article.append(make("p", "more", `Shown to the model in place of the image: ${sample.caption}`));
    if (sample.grid) article.append(grid(sample.grid));
    if (sample.reason) article.append(make("p", "more", `Why this grade: ${sample.reason}`));
    for (const [who, words, cut] of sample.said ?? []) {
      const answer = make("p", "answer", words);
      answer.dir = "auto";
      article.append(make("h4", "", `The model’s words: ${who}`), answer);
      if (cut) article.append(rest(cut));
    }
    return article;
  }

  const rest = (count) => make("p", "more", `${count.toLocaleString("en")} more characters`);

  function veiled(sample) {
    const known = pictures[sample.image];
    if (!known?.uri) {
      return make("p", "no-picture", `No picture: ${known?.reason ?? "left out of this page"}`);
    }
    const veil = make("button", "veil");
    veil.type = "button";
    veil.append(picture(known));
    veil.setAttribute("aria-label", `Show the image of ${sample.id}`);
    veil.setAttribute("aria-pressed", String(fields.unblur.checked || shown.has(sample.image)));
    veil.addEventListener("click", () => {
      const clear = veil.getAttribute("aria-pressed") !== "true";
      veil.setAttribute("aria-pressed", String(clear));
      if (clear) shown.add(sample.image);
      else shown.delete(sample.image);
    });
    return veil;
  }

  function grid(cells) {
    const table = make("table", "cells");
    const head = table.createTHead().insertRow();
    columns.forEach((name) => head.append(name ? headerCell(name, "col") : make("td")));
    const body = table.createTBody();
    for (const [name, ...others] of cells) {
      const line = body.insertRow();
      line.append(headerCell(name, "row"), ...others.map(cellOf));
    }
    return table;
  }

  function headerCell(text, scope) {
    const cell = make("th", "", text);
    cell.scope = scope;
    return cell;
  }

  function cellOf(cell) {
    const element = make("td");
    if (typeof cell === "string") element.textContent = cell;
    else if (cell.mark) element.append(mark(cell));
    else {
      element.append(make("span", `severity ${cell.severity}`, cell.severity));
      if (cell.more) element.append(` ${cell.more}`);
    }
    return element;
  }

  // Links: #sample=ID opens a sample, whatever the filters say

  function openLinked() {
    const match = /^#sample=(.*)$/.exec(window.location.hash);
    if (!match) return;
    let place;
    try {
      place = places.get(decodeURIComponent(match[1]));
    } catch {
      return; // not an address that anything here has made
    }
    if (place === undefined) {
      matches.textContent = "The sample of this link is not in this page.";
      return;
    }
    if (!found.includes(place)) {
      clear();
      filter();
    }
    activate(found.indexOf(place));
    document.getElementById("samples").scrollIntoView();
    openSheet();
  }

  function clear() {
    for (const select of choices) select.value = "";
    fields.words.value = "";
  }

  function choose(filters) {
    clear();
    for (const [name, value] of Object.entries(filters)) {
      if (fields[name]) fields[name].value = value;
    }
    filter();
    document.getElementById("samples").scrollIntoView();
    list.focus({ preventScroll: true });
  }

  const STEPS = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: 8, PageUp: -8 };

  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS) activate(active + STEPS[event.key]);
    else if (event.key === "Home") activate(0);
    else if (event.key === "End") activate(found.length - 1);
    else if (event.key === "Enter" || event.key === " ") openSheet();
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const clicked = event.target.closest(".row");
    if (!clicked) return;
    activate(Number(clicked.dataset.at), false);
    openSheet();
  });
  list.addEventListener("scroll", drawRows, { passive: true });
  window.addEventListener("resize", drawRows);
  form.addEventListener("input", (event) => {
    if (event.target !== fields.unblur) filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("clear").addEventListener("click", () => {
    clear();
    filter();
  });
  fields.unblur.addEventListener("change", () => {
    rows.replaceChildren();
    activate(active, false);
  });
  wide.addEventListener("change", () => {
    if (sheet.open) sheet.close();
    show();
  });
  sheet.addEventListener("close", show);
  document.addEventListener("choose", (event) => choose(event.detail));
  window.addEventListener("hashchange", openLinked);

  filter();
  openLinked();
  document.documentElement.dataset.samples = "listed";
})();
