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
    const breaks = [...text.matchAll(/ /g)].map(({ index }) => index);
    if (text.length < 18 || !breaks.length) return text;
    const middle = (text.length - 1) / 2;
    const at = breaks.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle))[0];
    return `${text.slice(0, at)}\n${text.slice(at + 1)}`;
  };

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

  // As many names in a row of the legend as there is room for.
  function columnsOfLegend(spec, narrow) {
    const names = spec.encoding?.color?.scale?.domain ?? [];
    const longest = Math.max(1, ...names.map((name) => Math.min(String(name).length, 40)));
    return Math.max(1, Math.floor((narrow ? 40 : 140) / (longest + 4)));
  }

  function draw(container) {
    const narrow = container.clientWidth < 520;
    const chart = data.charts[container.dataset.chart];
    const config = {
      ...data.config,
      axisY: narrow ? { labelLimit: 125, labelFontSize: 11, labelLineHeight: 12 } : { labelLimit: 300 },
      legend: { ...data.config.legend, columns: columnsOfLegend(chart, narrow) },
      lineBreak: "\n",
    };
    const { spec } = vegaLite.compile(narrow ? narrowed(chart) : chart, { config });
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
