"use strict";
// The list of samples: filters, a list that draws only the rows in view, and one sample in full.
// entries.py describes an entry; texts enter the page as textContent only. Samples come
// from a source: those in the page itself, or a server that is asked for the rows in view.
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

  const about = JSON.parse(document.getElementById("picture-data").textContent);
  const { pictures, columns } = about;
  const shown = new Set(); // images that were clicked
  const source = about.source ? served(about) : await embedded();
  let count = source.total; // samples that match
  let active = 0; // place among them

  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // Sources: what there is to choose, which samples match, the one at a place among those, and
  // where a sample is: -1 if it does not match, null if there is none of that name.

  const isOfParts = (select) => select.dataset.of === "each";

  async function embedded() {
    const samples = await unpacked(document.getElementById("sample-data").textContent);
    const places = new Map(samples.map((sample, n) => [sample.id, n]));
    let haystacks = null; // made when words are first looked for
    let found = samples.map((_, n) => n);

    const facetsOf = (sample, select) =>
      isOfParts(select) ? (sample.each ?? []) : [sample.facets ?? {}];
    const holds = (facets, select) => [facets[select.name]].flat().includes(select.value);
    const every = (facets, selects) => selects.every((select) => holds(facets, select));

    return {
      total: samples.length,
      choices(select) {
        const counts = new Map();
        for (const sample of samples) {
          const values = facetsOf(sample, select).flatMap((facets) => facets[select.name] ?? []);
          for (const value of new Set(values)) counts.set(value, (counts.get(value) ?? 0) + 1);
        }
        return [...counts];
      },
      async query(chosen, words) {
        const ofSample = chosen.filter((select) => !isOfParts(select));
        const ofParts = chosen.filter(isOfParts);
        if (words && !haystacks) haystacks = samples.map(haystack);
        found = samples.flatMap((sample, n) => {
          const keep =
            every(sample.facets ?? {}, ofSample) &&
            (!ofParts.length || (sample.each ?? []).some((part) => every(part, ofParts))) &&
            (!words || haystacks[n].includes(words));
          return keep ? [n] : [];
        });
        return found.length;
      },
      at: (n) => samples[found[n]],
      find: async (id) => (places.has(id) ? found.indexOf(places.get(id)) : null),
    };
  }

  async function unpacked(text) {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(plain).json();
  }

  function haystack(sample) {
    const said = (sample.said ?? []).map(([, words]) => words);
    return [sample.id, sample.text, sample.reason, ...said].join("\n").toLowerCase();
  }

  function served({ source: address, choices: known, total }) {
    const size = 50; // samples asked for at once
    let asked = new URLSearchParams();
    let parts = new Map(); // number of a part -> its samples, or null while they are on their way

    async function load(number) {
      const [query, kept] = [asked, parts]; // of the question as it is now
      kept.set(number, null);
      const wanted = new URLSearchParams(query);
      wanted.set("from", number * size);
      wanted.set("to", (number + 1) * size);
      const answer = await fetch(`${address}?${wanted}`);
      if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
      const { count: matching, entries, pictures: more } = await answer.json();
      Object.assign(pictures, more);
      kept.set(number, entries);
      return matching;
    }

    return {
      total,
      choices: (select) => known[select.name] ?? [],
      async query(chosen, words) {
        asked = new URLSearchParams(chosen.map((select) => [select.name, select.value]));
        if (words) asked.set("words", words);
        parts = new Map();
        return load(0);
      },
      at(n) {
        const number = Math.floor(n / size);
        if (!parts.has(number)) load(number).then(arrived, failed);
        return parts.get(number)?.[n % size];
      },
      async find(id) {
        const answer = await fetch(`place?${new URLSearchParams({ id })}`);
        const { at } = await answer.json();
        return at !== null && asked.size ? -1 : at;
      },
    };
  }

  function arrived() {
    drawRows();
    if (!(sheet.open ? sheet : aside).querySelector(".sample")) show();
  }

  function failed(error) {
    matches.textContent = `The server no longer answers (${error.message}).`;
  }

  // Filters

  // Values stand in the order that tables and charts have, framings and runs in their own, others
  // by name. A pattern's place is that of its family, then of its grades.
  const order = ["late-fusion", "escalating", "de-escalating", "safe", "borderline", "unsafe"];
  order.push("none", "ok", "refused", "blocked", "error", "unparsed");

  function rankOf(value) {
    const pattern = /^([SBU])-([SBU])-([SBU])$/.exec(value);
    if (!pattern) return order.indexOf(value);
    const [image, text, joint] = pattern.slice(1).map((letter) => "SBU".indexOf(letter));
    const family = Math.sign(joint - Math.max(image, text));
    return [2000, 0, 1000][family + 1] + 100 * image + 10 * text + joint;
  }

  function inOrder([a], [b]) {
    const [first, second] = [rankOf(a), rankOf(b)];
    if (first >= 0 && second >= 0) return first - second;
    return a.localeCompare(b, "en", { numeric: true });
  }

  for (const select of choices) {
    const values = source.choices(select);
    if (!["framing", "run"].includes(select.name)) values.sort(inOrder);
    select.append(...values.map(([value, n]) => new Option(`${value} (${n})`, value)));
    select.closest("label").hidden = values.length === 0;
  }

  let latest = 0; // of several questions the last one counts
  let filtering = Promise.resolve();

  function filter() {
    filtering = answered(++latest);
    return filtering;
  }

  async function answered(number) {
    const chosen = choices.filter((select) => select.value);
    const matching = await source.query(chosen, fields.words.value.trim().toLowerCase());
    if (number !== latest) return;
    count = matching;
    const all = source.total.toLocaleString("en");
    matches.textContent = `${count.toLocaleString("en")} of ${all} match`;
    rows.style.height = `calc(var(--row) * ${count})`;
    rows.replaceChildren();
    list.scrollTop = 0;
    activate(0);
  }

  const refilter = () => filter().catch(failed);

  // The list

  let rowHeight = 0; // from the stylesheet, by the width of the page

  function measureRows() {
    rowHeight = parseFloat(getComputedStyle(list).getPropertyValue("--row"));
  }

  // Rows that stay in view are left as they are: moving them would cost a layout each frame.
  function drawRows() {
    const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - 6);
    const last = Math.min(count, Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + 6);
    const kept = new Map();
    for (const element of [...rows.children]) {
      const at = Number(element.dataset.at);
      if (at < first || at >= last || element.dataset.waiting) element.remove();
      else kept.set(at, element);
    }
    let next = rows.firstElementChild;
    for (let at = first; at < last; at += 1) {
      const element = kept.get(at) ?? placed(row(at), at);
      element.setAttribute("aria-selected", String(at === active));
      if (element === next) next = next.nextElementSibling;
      else rows.insertBefore(element, next);
    }
    if (first <= active && active < last) list.setAttribute("aria-activedescendant", `row-${active}`);
    else list.removeAttribute("aria-activedescendant");
  }

  function placed(element, at) {
    element.style.top = `${at * rowHeight}px`;
    element.dataset.at = at;
    element.setAttribute("aria-posinset", at + 1);
    element.setAttribute("aria-setsize", count);
    return element;
  }

  function redrawRows() {
    measureRows();
    rows.replaceChildren();
    drawRows();
  }

  // At most once a frame, however often the list says that it was scrolled.
  let scrolled = false;

  function drawSoon() {
    if (scrolled) return;
    scrolled = true;
    requestAnimationFrame(() => {
      scrolled = false;
      drawRows();
    });
  }

  function row(at) {
    const sample = source.at(at);
    const element = make("div", "row");
    element.id = `row-${at}`;
    element.setAttribute("role", "option");
    if (!sample) {
      element.dataset.waiting = "yes";
      element.textContent = "…";
      return element;
    }
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
    active = Math.max(0, Math.min(at, count - 1));
    if (scroll) scrollTo(active);
    drawRows();
    show();
  }

  function scrollTo(at) {
    const top = at * rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    const under = top + rowHeight - list.clientHeight;
    if (under > list.scrollTop) list.scrollTop = under;
  }

  function show() {
    const sample = count ? source.at(active) : undefined;
    const place = sheet.open ? sheet : aside;
    const empty = count ? "…" : "No sample matches.";
    const content = sample ? [card(sample)] : [make("p", "empty", empty)];
    if (place === sheet) content.unshift(closeButton());
    place.replaceChildren(...content);
    place.scrollTop = 0;
  }

  function openSheet() {
    if (wide.matches || sheet.open || !count) return;
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
    else if (!cell.severity) element.append(mark(cell));
    else {
      element.append(make("span", `severity ${cell.severity}`, cell.severity));
      if (cell.more) element.append(` ${cell.more}`);
      if (cell.mark) element.append(" ", sign(cell.mark));
    }
    return element;
  }

  function sign(right) {
    const element = make("span", `mark ${right}`);
    element.append(make("span", "hidden", right));
    return element;
  }

  // Links: #sample=ID opens a sample, whatever the filters say

  let opening = 0; // of several links the last one counts

  async function openLinked() {
    const match = /^#sample=(.*)$/.exec(window.location.hash);
    if (!match) return;
    let id;
    try {
      id = decodeURIComponent(match[1]);
    } catch {
      return; // not an address that anything here has made
    }
    const number = ++opening;
    let question = latest;
    await filtering.catch(() => {}); // places are those among what the filters chose last
    let at = await source.find(id);
    if (number === opening && question === latest && at < 0) {
      clear();
      const filtered = filter();
      question = latest;
      await filtered;
      at = await source.find(id);
    }
    if (number !== opening || question !== latest) return; // another link, or another filter
    if (at === null) {
      matches.textContent = "The sample of this link is not in this page.";
      return;
    }
    activate(at);
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
    refilter();
    document.getElementById("samples").scrollIntoView();
    list.focus({ preventScroll: true });
  }

  const STEPS = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: 8, PageUp: -8 };

  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS) activate(active + STEPS[event.key]);
    else if (event.key === "Home") activate(0);
    else if (event.key === "End") activate(count - 1);
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
  list.addEventListener("scroll", drawSoon, { passive: true });
  window.addEventListener("resize", redrawRows);
  form.addEventListener("input", (event) => {
    if (event.target !== fields.unblur) refilter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("clear").addEventListener("click", () => {
    clear();
    refilter();
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
  window.addEventListener("hashchange", () => openLinked().catch(failed));

  measureRows();
  await refilter();
  await openLinked().catch(failed);
  document.documentElement.dataset.samples = "listed";
})();
