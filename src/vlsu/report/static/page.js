"use strict";
// Charts, tooltips and colours of a page. Texts enter it as textContent only.
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const root = document.documentElement;

  // Tooltips: a line for each name and value

  const tooltip = document.getElementById("tooltip");

  function showTooltip(_handler, event, _item, value) {
    tooltip.hidden = value === null || value === undefined || value === "";
    if (tooltip.hidden) return;
    const entries = typeof value === "object" ? Object.entries(value) : [["", value]];
    tooltip.replaceChildren(
      ...entries.map(([name, shown]) => {
        const line = document.createElement("div");
        line.textContent = name.trim() ? `${name}: ${shown}` : String(shown);
        return line;
      }),
    );
    const { width, height } = tooltip.getBoundingClientRect();
    const right = root.clientWidth - width - 8;
    const above = event.clientY - height - 12;
    tooltip.style.left = `${Math.max(8, Math.min(event.clientX + 12, right))}px`;
    tooltip.style.top = `${above < 8 ? event.clientY + 16 : above}px`;
  }

  // Charts: one after the other, so that the page can be read and scrolled meanwhile

  // On narrow screens the names of rows take two lines, if that makes them shorter.
  const twoLines = (text) => {
    if (text.length < 18) return text;
    const middle = text.length / 2;
    const breaks = [...text.matchAll(/ |[-_/](?=.)/g)].map(({ index }) => index + 1);
    if (!breaks.length) return text;
    const at = breaks.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle))[0];
    return `${text.slice(0, at).trimEnd()}\n${text.slice(at)}`;
  };

  // Names of columns stand upright where they would be written over each other.
  function turned(spec, width) {
    const { type, scale, axis } = spec.encoding?.x ?? {};
    if (type !== "nominal" || !scale?.domain || !axis) return spec;
    const longest = Math.max(...scale.domain.map((name) => name.length));
    const room = (width - (width < 520 ? 135 : 200)) / scale.domain.length;
    const copy = structuredClone(spec);
    copy.encoding.x.axis.labelAngle = longest * 6.5 > room ? -90 : 0;
    if (room < 34) {
      for (const row of copy.data.values) {
        row.number = row.number?.replace(/^0(?=\.)/, "").replace(/^1\.00$/, "1");
      }
    }
    return copy;
  }

  function narrowed(spec) {
    const { field, type, scale } = spec.encoding?.y ?? {};
    if (type !== "nominal") return spec;
    const copy = structuredClone(spec);
    for (const row of copy.data.values) {
      row[field] = twoLines(row[field]);
      if (row.remark) row.remark = row.remark.replace(", ", "\n");
    }
    if (copy.padding?.right > 60) {
      const lines = copy.data.values.flatMap((row) => (row.remark ?? "").split("\n"));
      copy.padding.right = Math.max(60, 12 + 6 * Math.max(...lines.map((line) => line.length)));
    }
    if (copy.data.values.some((row) => row[field].includes("\n"))) copy.height *= 1.15;
    if (scale?.domain) copy.encoding.y.scale.domain = scale.domain.map(twoLines);
    return copy;
  }

  // A caption takes as many lines as it needs.
  function wrapped(spec, width) {
    if (!spec.title?.text) return spec;
    const lines = [""];
    for (const part of spec.title.text.split(/(?<=[,;]) /)) {
      const longer = `${lines.at(-1)} ${part}`.trim();
      if (longer.length * 5.6 > width && lines.at(-1)) lines.push(part);
      else lines[lines.length - 1] = longer;
    }
    return { ...spec, title: { ...spec.title, text: lines, limit: width } };
  }

  // As many names in a row of the legend as there is room for.
  function columnsOfLegend(spec, narrow) {
    const encodings = [spec.encoding, ...(spec.layer ?? []).map((layer) => layer.encoding)];
    const names = encodings.flatMap((each) =>
      [each?.color, each?.shape].flatMap((channel) => channel?.scale?.domain ?? []),
    );
    const longest = Math.max(1, ...names.map((name) => Math.min(String(name).length, 40)));
    return Math.max(1, Math.floor((narrow ? 40 : 140) / (longest + 4)));
  }

  // Columns that are too many for the screen scroll sideways.
  function wideEnough(container, spec) {
    const { type, scale } = spec.encoding?.x ?? {};
    const needed = 135 + 24 * (type === "nominal" ? (scale?.domain?.length ?? 0) : 0);
    if (needed <= container.clientWidth) return container;
    const inner = document.createElement("div");
    inner.style.width = `${needed}px`;
    container.style.overflowX = "auto";
    container.tabIndex = 0;
    container.append(inner);
    return inner;
  }

  function draw(place) {
    const container = wideEnough(place, data.charts[place.dataset.chart]);
    const narrow = container.clientWidth < 520;
    const chart = data.charts[place.dataset.chart];
    const config = {
      ...data.config,
      axisY: narrow ? { labelLimit: 125, labelFontSize: 11, labelLineHeight: 12 } : { labelLimit: 300 },
      legend: { ...data.config.legend, columns: columnsOfLegend(chart, narrow) },
      lineBreak: "\n",
    };
    const fitted = wrapped(turned(chart, container.clientWidth), container.clientWidth);
    const { spec } = vegaLite.compile(narrow ? narrowed(fitted) : fitted, { config });
    const view = new vega.View(vega.parse(spec, null, { ast: true }), {
      expr: vega.expressionInterpreter,
      renderer: "svg",
      container,
      hover: true,
    });
    view.tooltip(showTooltip);
    view.addEventListener("click", (_event, item) => {
      const filters = item?.datum?.chosen;
      if (filters) document.dispatchEvent(new CustomEvent("choose", { detail: filters }));
    });
    return view.runAsync().then(() => {
      // The container tells what the chart shows, and the table below has its numbers.
      container.querySelector("svg").setAttribute("aria-hidden", "true");
    });
  }

  async function drawAll() {
    for (const container of document.querySelectorAll("[data-chart]")) {
      await draw(container);
      await new Promise((done) => setTimeout(done));
    }
    root.dataset.charts = "drawn";
  }

  drawAll();

  // Colours: those of the system until others are chosen

  document.getElementById("theme").addEventListener("change", (event) => {
    if (event.target.value === "auto") delete root.dataset.theme;
    else root.dataset.theme = event.target.value;
  });
})();
