// With judgments: the exact metric at every weight with its interval, a marker where the slider
// stands, the best weights, what to do about them, and the queries by what this weight costs each.

const CURVE_SVG = "http://www.w3.org/2000/svg";
const REGRETS_SHOWN = 200;
const BOX = { width: 380, height: 176, left: 44, right: 10, top: 8, bottom: 22 };

function drawn(tag, attributes, text) {
  const element = document.createElementNS(CURVE_SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// What the kernel sent of a curve, ready to draw.
function readCurve(judged) {
  const edges = doubles(judged.edges), values = doubles(judged.values);
  const lows = doubles(judged.low), highs = doubles(judged.high);
  let low = Infinity, high = -Infinity;
  for (const value of lows) low = Math.min(low, value);
  for (const value of highs) high = Math.max(high, value);
  const pad = (high - low) * 0.04 || 0.01;
  return { ...judged, edges, values, lows, highs, low: Math.max(0, low - pad), high: high + pad };
}

const curveX = (weight) => BOX.left + weight * (BOX.width - BOX.left - BOX.right);
const curveY = ({ low, high }, value) =>
  BOX.top + ((high - value) / (high - low)) * (BOX.height - BOX.top - BOX.bottom);

function stepsPath(curve, values) {
  const parts = [`M${curveX(0)} ${curveY(curve, values[0]).toFixed(2)}`];
  for (let i = 0; i < values.length; i++)
    parts.push(`V${curveY(curve, values[i]).toFixed(2)}H${curveX(curve.edges[i + 1]).toFixed(2)}`);
  return parts.join("");
}

function bandPath(curve) {
  const back = [];
  for (let i = curve.lows.length - 1; i >= 0; i--)
    back.push(`V${curveY(curve, curve.lows[i]).toFixed(2)}H${curveX(curve.edges[i]).toFixed(2)}`);
  return `${stepsPath(curve, curve.highs)}${back.join("")}Z`;
}

function ticksOf({ low, high }) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough), ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) ticks.push(value);
  return ticks;
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

function adviceText({ advice }) {
  const gain = `${advice.gain >= 0 ? "+" : "−"}${Math.abs(advice.gain).toFixed(4)}`;
  if (!advice.share)
    return `Keep the default (semantic ${advice.default.toFixed(2)}): on queries not tuned on, no step towards the best gains more than chance would.`;
  const way = advice.share === 1 ? "the best" : `${Math.round(100 * advice.share)} % of the way to the best`;
  return `${way[0].toUpperCase()}${way.slice(1)} gains ${gain} over the default on queries not tuned on (standard error ${advice.error.toFixed(4)}).`;
}

function createCurve(app, query, weights) {
  let curve = null;
  const grid = drawn("g", { class: "wb-curve-grid" });
  const sure = drawn("path", { class: "wb-curve-sure" });
  const band = drawn("rect", { y: BOX.top, height: BOX.height - BOX.top - BOX.bottom, class: "wb-band" });
  const usual = drawn("line", { y1: BOX.top, y2: BOX.height - BOX.bottom, class: "wb-curve-default" });
  const line = drawn("path", { class: "wb-curve-line" });
  const marker = drawn("line", { y1: BOX.top, y2: BOX.height - BOX.bottom, class: "wb-curve-marker" });
  const chart = drawn("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img" });
  chart.append(grid, sure, band, usual, line, marker);
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * BOX.width;
    go(rounded(Math.min(1, Math.max(0, (at - BOX.left) / (BOX.width - BOX.left - BOX.right)))));
  });
  const heading = h("h3");
  const ends = [h("span", {}, "BM25 only"), h("span", {}, "semantic only")];
  const said = h("p", { class: "wb-number wb-curve-said" });
  const advice = h("p", { class: "wb-advice" });
  const advised = h("button", { class: "wb-button", type: "button", onclick: () => app.reweigh({ weights: advisedWeights() }, "curve") });
  const optimum = h("button", { class: "wb-button", type: "button",
    onclick: () => go(curve.best.weight) }, "Go to the optimum");
  const list = h("tbody"), metric = h("th", { scope: "col" });
  const column = (name) => h("th", { scope: "col" }, name);
  const table = h("table", {}, h("thead", {}, h("tr", {}, column("query"), metric,
    column("its best"), column("regret"))), list);
  const key = h("p", { class: "wb-soft wb-curve-key" }, h("i", { class: "wb-key-sure" }), "95 % over queries ",
    h("i", { class: "wb-key-best" }), "best ", h("i", { class: "wb-key-default" }), "default ", h("i", { class: "wb-key-here" }), "here");
  const element = h("section", { class: "wb-curve", "aria-label": "Metric at every weight" },
    heading, chart, h("div", { class: "wb-ends" }, ends), key, said, advice,
    h("div", { class: "wb-row" }, advised, optimum));
  const queries = h("details", { class: "wb-queries-by-regret", open: true }, h("summary", {}, "Queries by regret at this weight"),
    h("div", { class: "wb-regrets", tabindex: "0", role: "region", "aria-label": "Queries by regret" }, table));

  function drawGrid() {
    const ticks = ticksOf(curve), digits = ticks.length > 1 && ticks[1] - ticks[0] < 0.01 ? 3 : 2;
    grid.replaceChildren(
      ...ticks.flatMap((value) => [
        drawn("line", { x1: curveX(0), x2: curveX(1), y1: curveY(curve, value), y2: curveY(curve, value) }),
        drawn("text", { x: BOX.left - 6, y: curveY(curve, value) + 4, "text-anchor": "end" }, value.toFixed(digits)),
      ]),
      ...[0, 0.25, 0.5, 0.75, 1].flatMap((weight) => [
        drawn("line", { x1: curveX(weight), x2: curveX(weight), y1: BOX.top, y2: BOX.height - BOX.bottom }),
        drawn("text", { x: curveX(weight), y: BOX.height - 7, "text-anchor": "middle" }, String(weight)),
      ]));
  }

  function load(judged) {
    curve = readCurve(judged);
    const { best } = curve, width = Math.max(curveX(best.high) - curveX(best.low), 2.5);
    drawGrid();
    line.setAttribute("d", stepsPath(curve, curve.values));
    sure.setAttribute("d", bandPath(curve));
    band.setAttribute("x", (curveX(best.low) + curveX(best.high)) / 2 - width / 2);
    band.setAttribute("width", width);
    usual.setAttribute("x1", curveX(curve.advice.default));
    usual.setAttribute("x2", curveX(curve.advice.default));
    setText(heading, `${curve.metric} at every weight, ${curve.queries} queries`);
    setText(advice, adviceText(curve));
    setText(advised, curve.advice.share ? "Go to what is supported" : "Back to the default");
    setText(metric, curve.metric);
    element.dataset.normaliser = curve.normaliser;
    element.dataset.best = curve.best.weight;
    mark();
    ask();
  }

  const balance = () => balanceOf(app.settings.weights, Object.keys(app.settings.weights));
  const go = (weight) => app.reweigh({ weights: weights.at(weight) }, "curve");
  // The default is one set of weights, whatever the proportions have become here.
  function advisedWeights() {
    const { share, weight, weights: usual } = curve.advice, present = app.settings.weights;
    if (share) return weights.at(weight);
    return Object.fromEntries(Object.keys(present).map((signal) => [signal, usual[signal] || 0]));
  }
  function isAdvised() {
    const present = app.settings.weights, wanted = advisedWeights();
    const names = Object.keys(present), total = (of) => names.reduce((sum, name) => sum + (of[name] || 0), 0) || 1;
    const here = total(present), there = total(wanted);
    return names.every((name) => Math.abs((present[name] || 0) / here - (wanted[name] || 0) / there) < 5e-4);
  }

  function mark() {
    const weight = balance(), { best } = curve;
    marker.setAttribute("x1", curveX(weight));
    marker.setAttribute("x2", curveX(weight));
    const text = `semantic ${rounded(weight).toFixed(3)}: ${valueAt(curve, weight).toFixed(4)}. `
      + `Best ${best.value.toFixed(4)}, with semantic ${best.low.toFixed(3)} to ${best.high.toFixed(3)}.`;
    setText(said, text);
    // What leads to where we are is no advice to do something.
    advised.classList.toggle("wb-primary", !isAdvised());
    chart.setAttribute("aria-label", text);
    element.dataset.weight = weight;
  }

  const ask = afterPause(150, () => {
    app.send({ type: "regrets", weight: balance(), start: weights.at(0), stop: weights.at(1) });
  });

  function take(reply) {
    list.replaceChildren(...reply.rows.slice(0, REGRETS_SHOWN).map((row) => {
      const open = h("button", { class: "wb-link", type: "button", dir: "auto",
        onclick: () => app.ask(row.text) }, row.text);
      return h("tr", {}, h("td", {}, open), h("td", {}, row.value.toFixed(3)),
        h("td", {}, row.best.toFixed(3)), h("td", {}, h("b", {}, row.regret.toFixed(3))));
    }));
    queries.dataset.weight = reply.weight;
  }

  load(app.model.get("judged"));
  return { element, queries, load, mark, confirm: ask, take, stop: ask.cancel };
}
