// The memory plot's elements, and drawing into them.

function makeParts(recorded) {
  const button = (text, more = {}) => h("button", { class: "wb-button", type: "button", ...more }, text);
  const parts = {
    message: h("div"),
    status: h("span", { class: "wb-soft", role: "status" }, recorded ? "" : "Waiting for the kernel."),
    resume: button("Resume", { hidden: true }),
    devices: h("span", { class: "wb-group", role: "group", "aria-label": "Device" }),
    windows: h("span", { class: "wb-group", role: "group", "aria-label": "Time shown" },
      WINDOWS.map(([seconds, text]) => button(text, { "data-window": String(seconds) }))),
    scale: button("Full scale", { title: "Scale the axis to the budget too" }),
    play: button("▶ Play"),
    slider: h("input", { type: "range", min: "0", step: "any", "aria-label": "Position in the recording" }),
    position: h("span", { class: "wb-soft wb-number" }),
    speed: h("select", { class: "wb-select", "aria-label": "Speed" },
      [[1, "1 ×"], [5, "5 ×"], [20, "20 ×"]].map(([n, text]) => h("option", { value: String(n) }, text))),
    plot: h("div", { class: "wb-plot", tabindex: "0", role: "img" }),
    tip: h("div", { class: "wb-tip", hidden: true }),
    work: h("div", { class: "wb-work", role: "img", hidden: true }),
    table: h("tbody"),
    legend: h("div", { class: "wb-legend wb-soft" },
      h("span", {}, h("i", { class: "wb-key-full" }), "weights"),
      h("span", {}, h("i", { class: "wb-key-hatch" }), "activations"),
      h("span", {}, h("i", { class: "wb-key-whole" }), h("span", { class: "wb-whole-name" })),
      h("span", {}, "▲ load"), h("span", {}, "▼ evict"), h("span", {}, "▽ release"),
      h("span", { class: "wb-bad-text" }, "✖ out of memory, retried"), h("span", {}, "╷ batch")),
    list: h("ol", { class: "wb-event-list" }),
    count: h("summary", {}, "Events"),
  };
  parts.svg = s("svg", { class: "wb-svg", "aria-hidden": "true" });
  // One group a depth, so that what appears later is not drawn over what lies above it.
  parts.depth = Object.fromEntries(["patterns", "grid", "whole", "layers", "lines", "marks"]
    .map((name) => [name, parts.svg.appendChild(s("g"))]));
  parts.plot.append(parts.svg, parts.tip);
  parts.workSvg = parts.work.appendChild(s("svg", { class: "wb-work-svg", "aria-hidden": "true" }));
  const bar = h("div", { class: "wb-bar-row wb-alone" }, parts.devices, recorded ? [] : parts.windows,
    parts.scale, parts.status, parts.resume);
  const player = recorded
    ? [h("div", { class: "wb-bar-row wb-player wb-alone" }, parts.play, parts.speed, parts.slider, parts.position)]
    : [];
  const head = ["model", "device", "weights", "activations", ""].map((name) => h("th", {}, name));
  head[4] = h("td"); // of the buttons: no header without a word
  const table = h("table", { class: "wb-models" }, h("thead", {}, h("tr", {}, head)), parts.table);
  const events = h("details", { class: "wb-events" }, parts.count, parts.list);
  parts.body = h("div", {}, bar, parts.plot, parts.work, player, parts.legend, table, events);
  parts.root = h("div", { class: "wb wb-memory", role: "region", "aria-label": "Memory of the models" },
    parts.message, parts.body);
  return parts;
}

// Levels and lines in the plot. Elements are kept and only their attributes change.
function keep(group, key, tag, attributes, text) {
  group.kept ??= new Map();
  let element = group.kept.get(key);
  if (!element) {
    element = s(tag);
    group.kept.set(key, element);
    group.append(element);
  }
  element.used = true;
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, String(value));
  if (text !== undefined) setText(element, text);
  return element;
}

function sweep(group) {
  for (const [key, element] of group.kept ?? []) {
    if (!element.used) { element.remove(); group.kept.delete(key); }
    element.used = false;
  }
}

function drawPlot(parts, state, now, points, { colour, recorded }) {
  const width = parts.plot.clientWidth;
  const { svg, depth } = parts;
  setAttribute(svg, "viewBox", `0 0 ${width} ${HEIGHT}`);
  setAttribute(svg, "width", String(width));
  setAttribute(svg, "height", String(HEIGHT));
  const shown = now.samples.filter((sample) => sample.t >= now.from);
  const whole = (sample) => (state.device === "cpu" ? sample.p : sample.u);
  const budget = now.samples.at(-1)?.b ?? null;
  const { made, most } = layers(points, state.models);
  const wholeMost = shown.reduce((top, sample) => Math.max(top, whole(sample) ?? 0), 0);
  const { top, clipped } = scaleOf(state, most, budget);
  parts.scale.hidden = !clipped && !state.full;
  const right = width - EDGE.right;
  const x = (t) => EDGE.left + ((t - now.from) / Math.max(now.right - now.from, 0.001)) * (right - EDGE.left);
  const y = (level) => FLOOR - Math.min(level / top, 1) * (FLOOR - EDGE.top);
  state.scales = { x, y, from: now.from, right: now.right, left: EDGE.left, end: right };

  drawPatterns(parts, state.models, colour);
  for (const level of byteTicks(top)) {
    keep(depth.grid, `grid${level}`, "line", { class: "wb-grid", x1: EDGE.left, x2: right, y1: y(level), y2: y(level) });
    keep(depth.grid, `level${level}`, "text", { class: "wb-tick", x: EDGE.left - 8, y: y(level) + 4, "text-anchor": "end" }, bytesText(level));
  }
  drawTimes(depth.grid, now, x, recorded, (right - EDGE.left) / 90);
  const times = points.map((point) => point.t);
  for (const layer of made) {
    const fill = layer.part ? `url(#${parts.patternId}-${state.models.indexOf(layer.model)})` : colour(layer.model);
    keep(depth.layers, `layer${layer.model}/${layer.part}`, "path", { class: "wb-layer", fill, d: stepArea(times, layer.low, layer.high, now.to, x, y) });
  }
  drawBudget(depth.lines, budget, top, right, y);
  drawStrip(depth, state, { shown, whole, wholeMost, end: now.to, right, x });
  drawMarks(depth.marks, now, x, colour);
  setText(parts.legend.querySelector(".wb-whole-name"), state.device === "cpu" ? "this process" : "in use on the device, by all");
  drawWork(parts, now, x, { width, right });
  drawCross(parts, state.hover);
  Object.values(depth).forEach(sweep);
  const what = state.models.length ? `${bytesText(most)} at most in models` : "no model yet";
  setAttribute(parts.plot, "aria-label", `Memory on ${state.device}: ${what}, budget ${bytesText(budget)}. Arrow keys read values.`);
}

// What this process works at, a lane a stage, under the plot and on its axis of time.
function drawWork(parts, now, x, { width, right }) {
  const rows = lanes(now.work, now.from);
  parts.work.hidden = !rows.length;
  if (!rows.length) return;
  const svg = parts.workSvg, height = LANE * (rows.length + 1) + 4;
  setAttribute(svg, "viewBox", `0 0 ${width} ${height}`);
  setAttribute(svg, "width", String(width));
  setAttribute(svg, "height", String(height));
  keep(svg, "name", "text", { class: "wb-tick", x: 0, y: LANE - 5 }, "at work in this process, by stage (full height: all of the time)");
  rows.forEach(({ stage, times, shares }, i) => {
    const base = LANE * (i + 2);
    const y = (share) => base - share * (LANE - 4);
    keep(svg, `rule${stage}`, "line", { class: "wb-grid", x1: 0, x2: right, y1: base, y2: base });
    keep(svg, `lane${stage}`, "path", { class: "wb-lane", "data-stage": stage, d: stepArea(times, times.map(() => 0), shares, now.to, x, y) });
    keep(svg, `stage${stage}`, "text", { class: "wb-tick wb-stage", x: 0, y: base - 4 }, stage);
  });
  sweep(svg);
  const last = (shares) => `${Math.round(100 * (shares.at(-2) ?? 0))} %`;
  setAttribute(parts.work, "aria-label", `Stages at work, last share of the time: ${rows.map((row) => `${row.stage} ${last(row.shares)}`).join(", ")}`);
}

// The axis fits the models, and the budget where it is not far above them.
function scaleOf(state, most, budget) {
  let used = Math.max(most, 1);
  if (budget !== null && budget < used * 4) used = Math.max(used, budget);
  const everything = Math.max(used, budget ?? 0);
  return { top: (state.full ? everything : used) * 1.06, clipped: everything > used * 1.06 };
}

// What the process or the device holds beside the models is another matter, on an axis of its own:
// over it, small models could not be seen.
function drawStrip(depth, state, { shown, whole, wholeMost, end, right, x }) {
  const base = HEIGHT - EDGE.bottom, top = Math.max(wholeMost, 1) * 1.06;
  const y = (level) => base - Math.min(level / top, 1) * STRIP;
  for (const level of [0, wholeMost]) {
    keep(depth.grid, `strip${level ? 1 : 0}`, "line", { class: "wb-grid", x1: EDGE.left, x2: right, y1: y(level), y2: y(level) });
    keep(depth.grid, `strip-level${level ? 1 : 0}`, "text", { class: "wb-tick", x: EDGE.left - 8, y: y(level) + 4, "text-anchor": "end" }, bytesText(level));
  }
  const what = state.device === "cpu" ? "this process, models included" : "in use on the device, by everybody";
  keep(depth.grid, "strip-name", "text", { class: "wb-tick", x: EDGE.left + 6, y: base - STRIP - 4 }, what);
  keep(depth.whole, "whole", "path", { class: "wb-whole", d: wholeArea(shown, whole, end, x, y) });
  keep(depth.lines, "line", "path", { class: "wb-whole-line", d: brokenLine(shown, whole, x, y) });
}

function wholeArea(samples, whole, end, x, y) {
  const known = samples.filter((sample) => whole(sample) !== null && whole(sample) !== undefined);
  if (!known.length) return "";
  const points = known.map((sample) => `${x(sample.t).toFixed(1)} ${y(whole(sample)).toFixed(1)}`);
  return `M${x(known[0].t).toFixed(1)} ${y(0)}L${points.join("L")}V${y(0)}Z`;
}

function drawCross(parts, at) {
  const { style } = keep(parts.depth.marks, "cross", "line", { class: "wb-cross", y1: EDGE.top, y2: HEIGHT - EDGE.bottom, x1: at ?? 0, x2: at ?? 0 });
  style.visibility = at === null ? "hidden" : "visible";
}

function drawPatterns(parts, models, colour) {
  parts.patternId ??= uniqueId("hatch");
  models.forEach((name, i) => {
    const id = `${parts.patternId}-${i}`;
    const pattern = keep(parts.depth.patterns, `pattern${i}`, "pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    if (pattern.colour === colour(name)) return;
    pattern.colour = colour(name);
    pattern.replaceChildren(
      s("rect", { width: 6, height: 6, fill: colour(name), opacity: 0.3 }),
      s("rect", { width: 2.5, height: 6, fill: colour(name), opacity: 0.85 }),
    );
  });
}

function drawTimes(group, now, x, recorded, wanted) {
  const { step } = timeTicks(now.from, now.right, Math.max(2, wanted));
  const zero = recorded ? now.from : now.to;
  const first = Math.ceil((now.from - zero) / step - 1e-9);
  for (let n = first; zero + n * step <= now.right + 1e-6; n += 1) {
    const seconds = n * step;
    const text = recorded ? durationText(seconds, step)
      : seconds === 0 ? "now" : seconds > 0 ? "" : `−${durationText(-seconds, step)}`;
    keep(group, `time${n}`, "text", { class: "wb-tick", x: x(zero + seconds), y: HEIGHT - 7, "text-anchor": "middle" }, text);
  }
}

function drawBudget(group, budget, top, right, y) {
  if (budget === null) return;
  const inside = budget <= top;
  const level = inside ? y(budget) : EDGE.top;
  if (inside) keep(group, "budget", "line", { class: "wb-budget", x1: EDGE.left, x2: right, y1: level, y2: level });
  keep(group, "budget-text", "text", { class: "wb-budget-text", x: EDGE.left + 6, y: level + (inside ? -5 : 14) }, `budget of the models ${bytesText(budget)}${inside ? "" : " ↑"}`);
}

// Loads, evictions and retries as signs above the plot, batches as ticks on its floor.
function drawMarks(group, now, x, colour) {
  const floor = FLOOR;
  const ticked = new Set();
  let beside = -Infinity; // signs of one moment stand side by side
  for (const event of now.events) {
    if (event.t < now.from) continue;
    const at = x(event.t);
    if (event.k === "batch") {
      const pixel = Math.round(at / 2);
      if (ticked.has(pixel)) continue;
      ticked.add(pixel);
      keep(group, `tick${event.i}`, "line", { class: "wb-batch", x1: at, x2: at, y1: floor, y2: floor + 5 });
      continue;
    }
    const bad = event.k === "oom_retry";
    keep(group, `rule${event.i}`, "line", { class: bad ? "wb-rule wb-bad" : "wb-rule", x1: at, x2: at, y1: EDGE.top - 6, y2: floor });
    beside = Math.min(Math.max(at, beside + 13), at + 39);
    const mark = keep(group, `mark${event.i}`, "text", { class: bad ? "wb-sign wb-bad" : "wb-sign", x: beside, y: EDGE.top - 10, "text-anchor": "middle", "data-kind": event.k }, KINDS[event.k].sign);
    if (!bad) mark.style.fill = colour(event.n);
  }
}

function drawTable(parts, state, now, points, { colour, release, recorded }) {
  const held = points.at(-1)?.held ?? {};
  const rows = state.models.filter((name) => held[name] || state.loaded.includes(name));
  const key = JSON.stringify([rows.map((name) => [name, held[name]]), state.device, state.loaded, recorded]);
  if (parts.table.key === key) return;
  parts.table.key = key;
  const asked = document.activeElement?.dataset?.release;
  parts.table.replaceChildren(...rows.map((name) => {
    const [weights, activations] = held[name] ?? [0, 0];
    const button = !recorded && state.loaded.includes(name)
      ? [h("button", { class: "wb-button", type: "button", "data-release": name, "aria-label": `Release ${name}`, onclick: (click) => { click.target.disabled = true; setText(click.target, "Asked…"); release(name); } }, "Release")]
      : [];
    return h("tr", {},
      h("td", { dir: "auto" }, h("span", { class: "wb-swatch", style: { background: colour(name) } }), name),
      h("td", {}, state.device), h("td", {}, bytesText(weights)), h("td", {}, bytesText(activations)),
      h("td", {}, button));
  }));
  if (!rows.length) {
    const text = recorded ? "No model held memory here at this moment." : "No model is loaded on this device. One loads when it is first used.";
    parts.table.replaceChildren(h("tr", {}, h("td", { colspan: "5", class: "wb-soft" }, text)));
  }
  if (asked) [...parts.table.querySelectorAll("button")].find((b) => b.dataset.release === asked)?.focus();
}

function drawEvents(parts, now, start) {
  const last = now.events.at(-1)?.i ?? 0;
  const key = `${last}/${now.events.length}/${now.events[0]?.d}`;
  if (parts.list.key === key) return;
  parts.list.key = key;
  setText(parts.count, now.events.length === 1 ? "1 event" : `${now.events.length} events`);
  parts.list.replaceChildren(...now.events.slice(-40).reverse()
    .map((event) => h("li", { dir: "auto" }, eventText(event, start))));
}

// A cross line under the pointer, or moved by arrow keys, with the values there.
function hovering(parts, current) {
  function show(px) {
    const scales = parts.scales();
    if (!scales) return;
    const at = Math.min(Math.max(px, scales.left), scales.end);
    const { now, points, recorded, start } = current();
    const moment = now.from + ((at - scales.left) / (scales.end - scales.left)) * (now.right - now.from);
    const near = now.events.filter((event) => Math.abs(scales.x(event.t) - at) < 6 && event.k !== "batch");
    const lines = near.length
      ? near.slice(0, 4).map((event) => eventText(event, recorded ? start : null))
      : valueLines(now, points, moment, recorded, start);
    parts.hover(at);
    parts.tip.replaceChildren(...lines.map((line) => h("div", { dir: "auto" }, line)));
    parts.tip.hidden = false;
    const width = parts.tip.offsetWidth;
    parts.tip.style.left = `${at + 14 + width > parts.plot.clientWidth ? Math.max(0, at - width - 10) : at + 10}px`;
  }
  function hide() { parts.tip.hidden = true; parts.hover(null); }
  let at = null;
  const move = (event) => { at = event.clientX - parts.plot.getBoundingClientRect().left; show(at); };
  const keys = (event) => {
    const way = { ArrowLeft: -12, ArrowRight: 12 }[event.key];
    if (event.key === "Escape") hide();
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    at = Math.min(Math.max((at ?? parts.plot.clientWidth) + way, EDGE.left), parts.plot.clientWidth - EDGE.right);
    show(at);
  };
  parts.plot.addEventListener("pointermove", move);
  parts.plot.addEventListener("pointerleave", hide);
  parts.plot.addEventListener("keydown", keys);
  parts.plot.addEventListener("blur", hide);
  return hide;
}

function valueLines(now, points, moment, recorded, start) {
  const held = lastBefore(points, moment)?.held ?? {};
  const sample = lastBefore(now.samples, moment);
  const when = recorded ? durationText(Math.max(0, moment - start), 0.1)
    : new Date(moment * 1000).toLocaleTimeString();
  const lines = [when];
  for (const [name, [weights, activations]] of Object.entries(held)) {
    lines.push(`${name}: ${bytesText(weights)} weights, ${bytesText(activations)} activations`);
  }
  if (sample) {
    if (sample.d !== "cpu") lines.push(`in use on the device, by everybody: ${bytesText(sample.u)}`);
    if (sample.p !== null) lines.push(`this process: ${bytesText(sample.p)}`);
    if (sample.b !== null) lines.push(`budget: ${bytesText(sample.b)}`);
  }
  const at = now.work.findIndex((one) => one.t >= moment);
  for (const [stage, seconds] of Object.entries(now.work[at]?.w ?? {})) {
    const share = at ? seconds / Math.max(now.work[at].t - now.work[at - 1].t, 1e-3) : 1;
    lines.push(`${stage}: at work ${Math.round(100 * Math.min(share, 1))} % of the time`);
  }
  return lines;
}
