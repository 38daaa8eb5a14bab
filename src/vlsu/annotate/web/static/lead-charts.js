// Charts: drawn when they have changed; tooltips as text.

const root = document.documentElement;
const tooltip = document.getElementById("tooltip");
const drawn = new Map();

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
  const above = event.clientY - height - 12;
  tooltip.style.left = `${Math.max(8, Math.min(event.clientX + 12, root.clientWidth - width - 8))}px`;
  tooltip.style.top = `${above < 8 ? event.clientY + 16 : above}px`;
}

function draw(container, chart, config) {
  const { spec } = vegaLite.compile(chart, { config });
  const view = new vega.View(vega.parse(spec, null, { ast: true }), {
    expr: vega.expressionInterpreter,
    renderer: "svg",
    container,
    hover: true,
  });
  view.tooltip(showTooltip);
  drawn.get(container)?.view.finalize();
  return view.runAsync().then(() => {
    container.querySelector("svg").setAttribute("aria-hidden", "true");
    return view;
  });
}

let drawing = Promise.resolve();

/** Draw the charts that have changed, after those that are being drawn. */
export function drawCharts(charts, config) {
  drawing = drawing.catch(() => {}).then(() => drawChanged(charts, config));
  return drawing;
}

async function drawChanged(charts, config) {
  for (const container of document.querySelectorAll("[data-chart]")) {
    const chart = charts[container.dataset.chart];
    container.closest("figure").hidden = !chart;
    const key = JSON.stringify(chart);
    if (!chart || drawn.get(container)?.key === key) continue;
    drawn.set(container, { key, view: await draw(container, chart, config) });
  }
  root.dataset.charts = "drawn";
}
