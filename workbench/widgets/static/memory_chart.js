// Memory over time: pure functions from samples and events to steps, paths and labels.

const MODEL_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1"];
const KINDS = {
  load: { sign: "▲", word: "loaded" },
  evict: { sign: "▼", word: "evicted" },
  release: { sign: "▽", word: "released" },
  oom_retry: { sign: "✖", word: "out of memory, retried" },
  batch: { sign: "", word: "batch" },
};
const OVERHEADS = ["#8a8a8a", "#b5b5b5"]; // what no model owns: "(CUDA context)"
const GAP = 5; // seconds without a sample from which a line is not drawn through

function bytesText(count) {
  if (count === null || count === undefined) return "unknown";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = count;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) { size /= 1024; unit += 1; }
  const digits = unit === 0 || size >= 100 ? Math.round(size) : Number(size.toPrecision(3));
  return `${digits} ${units[unit]}`;
}

// What each model held on a device at each moment: the ledger's samples and, exactly, its events.
function steps(samples, events) {
  const merged = [...events, ...samples].sort((a, b) => a.t - b.t);
  const points = [];
  let held = {};
  for (const entry of merged) {
    if (entry.k === undefined) {
      held = entry.m;
    } else {
      held = { ...held };
      if (entry.w + entry.a > 0) held[entry.n] = [entry.w, entry.a]; else delete held[entry.n];
    }
    points.push({ t: entry.t, held });
  }
  return points;
}

// Two layers a model, weights below activations, stacked: [{model, part, low: [], high: []}].
function layers(points, models) {
  const made = models.flatMap((model) => [0, 1].map((part) => ({ model, part, low: [], high: [] })));
  let most = 0;
  for (const { held } of points) {
    let level = 0;
    for (const layer of made) {
      layer.low.push(level);
      level += held[layer.model]?.[layer.part] ?? 0;
      layer.high.push(level);
    }
    most = Math.max(most, level);
  }
  return { made, most };
}

// A filled area of steps: each level holds until the next moment.
function stepArea(times, low, high, end, x, y) {
  if (!times.length || !high.some((level, i) => level > low[i])) return "";
  // What was there for less than a pixel is still seen.
  const right = (i) => Math.max(x(i + 1 < times.length ? times[i + 1] : end), x(times[i]) + (high[i] > low[i] ? 1.5 : 0)).toFixed(1);
  let path = `M${x(times[0]).toFixed(1)} ${y(low[0]).toFixed(1)}`;
  for (let i = 0; i < times.length; i += 1) path += `V${y(high[i]).toFixed(1)}H${right(i)}`;
  for (let i = times.length - 1; i >= 0; i -= 1) {
    path += `V${y(low[i]).toFixed(1)}H${x(times[i]).toFixed(1)}`;
  }
  return `${path}Z`;
}

// A line through samples, interrupted where nobody sampled.
function brokenLine(samples, value, x, y) {
  let path = "";
  let last = -Infinity;
  for (const sample of samples) {
    const level = value(sample);
    if (level === null || level === undefined) { last = -Infinity; continue; }
    const point = `${x(sample.t).toFixed(1)} ${y(level).toFixed(1)}`;
    path += sample.t - last > GAP ? `M${point}h0.01` : `L${point}`;
    last = sample.t;
  }
  return path;
}

function byteTicks(top, wanted = 5) {
  const unit = 1024 ** Math.floor(Math.log(Math.max(top, 1)) / Math.log(1024));
  const rough = top / wanted / unit;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough) * unit;
  const ticks = [];
  for (let level = 0; level <= top * 1.0001; level += step) ticks.push(level);
  return ticks;
}

function timeTicks(from, to, wanted) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find((s) => (to - from) / s <= wanted) ?? Math.ceil((to - from) / wanted);
  return { step };
}

function durationText(seconds, step) {
  if (step < 1) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const rest = String(whole % 60).padStart(2, "0");
  return whole % 60 ? `${Math.floor(whole / 60)}:${rest} min` : `${whole / 60} min`;
}

function eventText(event, start) {
  const when = start === null
    ? new Date(event.t * 1000).toLocaleTimeString()
    : `at ${durationText(event.t - start, 0.1)}`;
  const holds = event.w + event.a
    ? `, now ${bytesText(event.w)} weights and ${bytesText(event.a)} activations`
    : ["evict", "release"].includes(event.k) ? ", now nothing" : "";
  return `${when}: ${event.n} ${KINDS[event.k].word} on ${event.d}${holds}`
    + (event.o ? ` (${event.o})` : "");
}

// How busy each stage was between two samples: [{stage, times: [], shares: []}], in order of names.
// Stages in several threads may have more than all of the time; that shows as all of it.
function lanes(samples, from) {
  const found = new Map();
  samples.forEach((sample, i) => {
    if (sample.t < from || !sample.w) return;
    const since = i ? samples[i - 1].t : sample.t - 1;
    for (const [stage, seconds] of Object.entries(sample.w)) {
      if (!found.has(stage)) found.set(stage, { stage, times: [], shares: [] });
      const { times, shares } = found.get(stage);
      const begin = Math.max(since, from);
      if (times.length && times.at(-1) === begin) { times.pop(); shares.pop(); } // no gap between
      times.push(begin, sample.t);
      shares.push(Math.min(1, seconds / Math.max(sample.t - since, 1e-3)), 0);
    }
  });
  return [...found.values()].sort((a, b) => a.stage.localeCompare(b.stage));
}

// The last entry at or before a moment, in an array ordered by time.
function lastBefore(entries, moment) {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].t <= moment) low = middle + 1; else high = middle;
  }
  return entries[low - 1] ?? null;
}
