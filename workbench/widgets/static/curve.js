// With judgments: the exact metric at every weight, a marker where the slider stands, the band of
// the optimum, and the queries by what the present weight costs each of them.

const SVG = "http://www.w3.org/2000/svg";
const REGRETS_SHOWN = 200;

function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// What the kernel sent of a curve, ready to draw.
function readCurve(judged) {
  const edges = doubles(judged.edges), values = doubles(judged.values);
  let low = Infinity, high = -Infinity;
  for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
  const pad = (high - low) * 0.06 || 0.01;
  return { ...judged, edges, values, low: Math.max(0, low - pad), high: high + pad };
}

function pathOf({ edges, values, low, high }) {
  const y = (value) => (100 * (high - value)) / (high - low);
  const steps = [`M0 ${y(values[0])}`];
  for (let i = 0; i < values.length; i++)
    steps.push(`V${y(values[i]).toFixed(3)}H${(100 * edges[i + 1]).toFixed(4)}`);
  return steps.join("");
}

// The value of the interval that the weight lies in; edges are ascending.
function valueAt({ edges, values }, weight) {
  let from = 0, to = values.length - 1;
  while (from < to) {
    const middle = (from + to + 1) >> 1;
    if (edges[middle] <= weight) from = middle; else to = middle - 1;
  }
  return values[from];
}

function createCurve(app, query, weights) {
  let curve = null;
  const band = svg("rect", { y: 0, height: 100, class: "wb-band" });
  const line = svg("path", { class: "wb-curve-line" });
  const marker = svg("line", { y1: 0, y2: 100, class: "wb-curve-marker" });
  const chart = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img" });
  chart.append(band, line, marker);
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    go(rounded(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width))));
  });
  const heading = h("h3"), top = h("span", { class: "wb-soft wb-number wb-top-value" });
  const bottom = h("span", { class: "wb-soft wb-number wb-low-value" });
  const ends = [h("span", {}, "BM25 only"), h("span", {}, "semantic only")];
  const said = h("p", { class: "wb-number wb-curve-said", role: "status" });
  const optimum = h("button", { class: "wb-button wb-primary", type: "button",
    onclick: () => go(curve.best.weight) }, "Go to the optimum");
  const list = h("tbody"), metric = h("th", { scope: "col" });
  const column = (name) => h("th", { scope: "col" }, name);
  const table = h("table", {}, h("thead", {}, h("tr", {}, column("query"), metric,
    column("its best"), column("regret"))), list);
  const element = h("section", { class: "wb-curve", "aria-label": "Metric at every weight" },
    heading, h("div", { class: "wb-chart" }, top, chart, bottom), h("div", { class: "wb-ends" }, ends),
    said, h("div", { class: "wb-row" }, optimum));
  const queries = h("details", { open: true }, h("summary", {}, "Queries by regret at this weight"),
    h("div", { class: "wb-regrets", tabindex: "0" }, table));

  function load(judged) {
    curve = readCurve(judged);
    const { best } = curve, width = Math.max(100 * (best.high - best.low), 0.6);
    line.setAttribute("d", pathOf(curve));
    band.setAttribute("x", 50 * (best.low + best.high) - width / 2);
    band.setAttribute("width", width);
    setText(heading, `${curve.metric} at every weight, ${curve.queries} queries`);
    setText(top, curve.high.toFixed(3));
    setText(bottom, curve.low.toFixed(3));
    setText(metric, curve.metric);
    element.dataset.normaliser = curve.normaliser;
    element.dataset.best = curve.best.weight;
    mark();
    ask();
  }

  const balance = () => balanceOf(app.settings.weights, Object.keys(app.settings.weights));
  const go = (weight) => app.reweigh({ weights: weights.at(weight) });

  function mark() {
    const weight = balance(), { best } = curve;
    marker.setAttribute("x1", 100 * weight);
    marker.setAttribute("x2", 100 * weight);
    const text = `semantic ${rounded(weight).toFixed(3)}: ${valueAt(curve, weight).toFixed(4)}. `
      + `Best ${best.value.toFixed(4)}, from ${best.low.toFixed(4)} to ${best.high.toFixed(4)}.`;
    setText(said, text);
    chart.setAttribute("aria-label", text);
    element.dataset.weight = weight;
  }

  const ask = afterPause(150, () => {
    app.send({ type: "regrets", weight: balance(), start: weights.at(0), stop: weights.at(1) });
  });

  function take(reply) {
    list.replaceChildren(...reply.rows.slice(0, REGRETS_SHOWN).map((row) => {
      const open = h("button", { class: "wb-link", type: "button", dir: "auto", onclick: () => {
        query.element.value = row.text;
        query.ask();
      } }, row.text);
      return h("tr", {}, h("td", {}, open), h("td", {}, row.value.toFixed(3)),
        h("td", {}, row.best.toFixed(3)), h("td", {}, h("b", {}, row.regret.toFixed(3))));
    }));
    queries.dataset.weight = reply.weight;
  }

  load(app.model.get("judged"));
  return { element, queries, load, mark, confirm: ask, take, stop: ask.cancel };
}
