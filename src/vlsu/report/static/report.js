"use strict";
// What the page does: draw the charts, list and filter the samples, unblur images, switch themes.
// Texts of datasets and models enter the page as textContent only.
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const CHUNK = 50;

  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // Charts

  const tooltip = document.getElementById("tooltip");

  function showTooltip(_handler, event, _item, value) {
    tooltip.hidden = value === null || value === undefined || value === "";
    if (tooltip.hidden) return;
    tooltip.replaceChildren();
    const entries = typeof value === "object" ? Object.entries(value) : [["", value]];
    for (const [name, shown] of entries) {
      const line = make("div", "", name.trim() ? `${name}: ${shown}` : String(shown));
      tooltip.append(line);
    }
    const { width, height } = tooltip.getBoundingClientRect();
    const right = document.documentElement.clientWidth - width - 8;
    const above = event.clientY - height - 12;
    tooltip.style.left = `${Math.max(8, Math.min(event.clientX + 12, right))}px`;
    tooltip.style.top = `${above < 8 ? event.clientY + 16 : above}px`;
  }

  function draw(container) {
    const narrow = container.clientWidth < 520;
    const config = {
      ...data.config,
      axisY: { labelLimit: narrow ? 120 : 300 },
      legend: { ...data.config.legend, columns: narrow ? 2 : 8 },
    };
    const { spec } = vegaLite.compile(data.charts[container.dataset.chart], { config });
    const view = new vega.View(vega.parse(spec, null, { ast: true }), {
      expr: vega.expressionInterpreter,
      renderer: "svg",
      container,
      hover: true,
    });
    view.tooltip(showTooltip);
    return view.runAsync();
  }

  const charts = [...document.querySelectorAll("[data-chart]")];
  Promise.all(charts.map(draw)).then(() => {
    document.documentElement.dataset.charts = "drawn";
  });

  // Theme

  const theme = document.getElementById("theme");
  const root = document.documentElement;
  function setTheme(dark) {
    root.dataset.theme = dark ? "dark" : "light";
    theme.setAttribute("aria-pressed", String(dark));
  }
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  theme.setAttribute("aria-pressed", String(prefersDark));
  theme.addEventListener("click", () => {
    setTheme(theme.getAttribute("aria-pressed") !== "true");
  });

  // Samples

  const form = document.getElementById("filters");
  if (!form) return;
  const list = document.getElementById("sample-list");
  const matches = document.getElementById("matches");
  const more = document.getElementById("more");
  const fields = form.elements;
  const inForm = (name) => fields[name] !== undefined;
  const CHOICES = ["pattern", "family", "category", "outcome", "severity"].filter(inForm);
  // Of an alignment run: what has to hold of one answer.
  const OF_ANSWER = ["framing", "kind"].filter(inForm);
  let found = [];

  for (const name of [...CHOICES, ...OF_ANSWER]) {
    const entries = OF_ANSWER.includes(name)
      ? data.samples.flatMap((sample) => sample.answers)
      : data.samples;
    const values = new Set(entries.map((entry) => entry[name]).filter(Boolean));
    const sorted = [...values].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    fields[name].append(...sorted.map((value) => new Option(value, value)));
  }

  const haystacks = data.samples.map((sample) =>
    [sample.id, sample.text, sample.answer, sample.reason, ...said(sample)]
      .join("\n")
      .toLowerCase(),
  );

  function said(sample) {
    return (sample.answers ?? []).map((answer) => answer.words);
  }

  function chosen(entry, names) {
    return names.every((name) => !fields[name].value || entry[name] === fields[name].value);
  }

  function chosenAnswers(sample) {
    return sample.answers.filter((answer) => chosen(answer, OF_ANSWER));
  }

  function filter() {
    const words = fields.words.value.trim().toLowerCase();
    found = data.samples.filter(
      (sample, n) =>
        chosen(sample, CHOICES) &&
        (!OF_ANSWER.length || chosenAnswers(sample).length > 0) &&
        (!inForm("right") || !fields.right.value || String(sample.right) === fields.right.value) &&
        (!words || haystacks[n].includes(words)),
    );
    list.replaceChildren();
    append();
  }

  function append() {
    const shown = list.childElementCount;
    list.append(...found.slice(shown, shown + CHUNK).map(card));
    const now = list.childElementCount;
    more.hidden = now >= found.length;
    more.textContent = `Show ${Math.min(CHUNK, found.length - now)} more`;
    matches.textContent = `${found.length} of ${data.samples.length} match, ${now} listed`;
  }

  function card(sample) {
    const article = make("article", "sample");
    const table = sample.answers ? verdicts(sample) : grades(sample);
    article.append(picture(sample), heading(sample), words(sample), table);
    return article;
  }

  function heading(sample) {
    const line = make("h3");
    line.append(make("span", "id", sample.id));
    const family = sample.pattern ? `${sample.pattern}, ${sample.family}` : "no pattern";
    line.append(make("span", "", family));
    if (sample.severity) line.append(make("span", `severity ${sample.severity}`, sample.severity));
    if (sample.answers && sample.category) line.append(make("span", "", sample.category));
    return line;
  }

  function picture(sample) {
    const box = make("div", "picture");
    const known = sample.image ? data.pictures[sample.image] : null;
    if (!known || !known.uri) {
      const why = sample.image ? `No picture: ${known ? known.reason : "not at hand"}` : "No image";
      box.append(make("p", "", why));
      return box;
    }
    const image = make("img");
    image.src = known.uri;
    image.width = known.width;
    image.height = known.height;
    image.alt = "";
    const veil = make("button", "veil");
    veil.type = "button";
    veil.append(image);
    veil.setAttribute("aria-label", `Show the image of ${sample.id}`);
    veil.setAttribute("aria-pressed", String(fields.unblur.checked));
    box.append(veil);
    return box;
  }

  function words(sample) {
    const box = make("div", "words");
    const said = make("p", "said", sample.text ?? "No text");
    said.dir = "auto";
    box.append(said);
    if (sample.textCut) box.append(make("p", "more", `${sample.textCut} more characters`));
    if (sample.reason) box.append(make("p", "pair", `Why this grade: ${sample.reason}`));
    for (const answer of sample.answers ? chosenAnswers(sample) : []) {
      if (answer.words === null) continue;
      box.append(make("p", "pair", answer.name), quoted(answer.words));
      if (answer.wordsCut) box.append(make("p", "more", `${answer.wordsCut} more characters`));
    }
    if (sample.answer) {
      box.append(quoted(sample.answer));
      if (sample.answerCut) box.append(make("p", "more", `${sample.answerCut} more characters`));
    }
    return box;
  }

  function quoted(text) {
    const answer = make("p", "answer", text);
    answer.dir = "auto";
    answer.title = "The model's words on the pair";
    return answer;
  }

  function tableOf(titles) {
    const table = make("table", "grades");
    const head = table.createTHead().insertRow();
    for (const title of titles) head.append(make("th", "", title));
    return table;
  }

  function verdicts(sample) {
    const table = tableOf(["framing", "kind", "refused"]);
    table.classList.add("verdicts");
    const body = table.createTBody();
    for (const answer of chosenAnswers(sample)) {
      const row = body.insertRow();
      const name = make("th", "", answer.name);
      name.scope = "row";
      const refused = make("td");
      const wrong = answer.right === false ? "wrong" : "";
      refused.append(make("span", `mark ${wrong}`, answer.refused ?? "–"));
      row.append(name, make("td", "", answer.kind), refused);
    }
    return table;
  }

  function grades(sample) {
    const table = tableOf(["", "gold", "model", ""]);
    const body = table.createTBody();
    for (const [modality, judgment] of Object.entries(sample.judgments)) {
      const row = body.insertRow();
      const name = make("th", "", modality);
      name.scope = "row";
      row.append(name, grade(judgment.gold, judgment.goldCategory));
      row.append(predicted(judgment), mark(judgment.right));
    }
    return table;
  }

  function grade(severity, category) {
    const cell = make("td");
    if (!severity) cell.textContent = "–";
    else cell.append(make("span", `severity ${severity}`, severity));
    if (category) cell.append(` ${category}`);
    return cell;
  }

  function predicted(judgment) {
    if (judgment.outcome === "ok") return grade(judgment.predicted, judgment.category);
    return make("td", "", judgment.outcome ?? "not asked");
  }

  function mark(right) {
    const text = right === null ? "" : right ? "right" : "wrong";
    const cell = make("td");
    cell.append(make("span", `mark ${text}`, text));
    return cell;
  }

  list.addEventListener("click", (event) => {
    const veil = event.target.closest(".veil");
    if (!veil) return;
    veil.setAttribute("aria-pressed", String(veil.getAttribute("aria-pressed") !== "true"));
  });
  form.addEventListener("input", (event) => {
    if (event.target !== fields.unblur) filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => (filter(), unblur())));
  fields.unblur.addEventListener("change", unblur);
  function unblur() {
    for (const veil of list.querySelectorAll(".veil")) {
      veil.setAttribute("aria-pressed", String(fields.unblur.checked));
    }
  }
  more.addEventListener("click", append);
  filter();
})();
