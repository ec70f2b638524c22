// The memory plot: draws what the kernel sends, says when it can be seen, asks for releases.

const SVG = "http://www.w3.org/2000/svg";
const HEARTBEAT = 10000; // ms
const EDGE = { left: 64, right: 14, top: 30, bottom: 24 };
const HEIGHT = 340;
const LANE = 18; // of a stage that is at work
const STRIP = 66; // of the process, or the whole device, under the models; with its heading
const FLOOR = HEIGHT - EDGE.bottom - STRIP - 18; // of the models
const WINDOWS = [[60, "1 min"], [300, "5 min"], [Infinity, "all"]];

function s(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function render({ model, el }) {
  const view = uniqueId("memory");
  const recorded = model.get("recorded");
  const state = {
    samples: [], events: [], models: [], loaded: [], device: null, full: false,
    window: 300, start: 0, end: 0, moment: Infinity, hover: null, live: "waiting", asked: null,
  };
  const parts = makeParts(recorded);
  el.replaceChildren(parts.root);
  const letGo = holdKeys(parts.root);

  // Being seen: the kernel samples for views that are, and stops otherwise.
  let seen = false;
  let beat = 0;
  const kernel = kernelOf(model, parts.root, () => {
    clearInterval(beat);
    setText(parts.status, "");
    parts.resume.hidden = true;
    parts.message.replaceChildren();
  });
  const tell = (type, more = {}) => kernel.tell({ type, view, ...more });
  function setSeen(now) {
    if (now === seen || recorded) return;
    seen = now;
    clearInterval(beat);
    tell(seen ? "show" : "hide");
    if (seen) beat = setInterval(() => { if (state.live !== "idle") tell("show"); }, HEARTBEAT);
  }
  let onScreen = false;
  const observer = new IntersectionObserver((entries) => {
    onScreen = entries.at(-1).isIntersecting;
    setSeen(onScreen && !document.hidden);
    draw();
  });
  const onPage = () => setSeen(onScreen && !document.hidden);
  document.addEventListener("visibilitychange", onPage);
  observer.observe(el);
  const resize = new ResizeObserver(() => draw());
  resize.observe(parts.plot);

  // What comes from the kernel
  function take(message) {
    if (message.type === "history") {
      state.samples = []; state.events = []; state.models = [];
    }
    if (message.type === "message") {
      parts.table.key = null;
      parts.message.replaceChildren(...messageBox(message.message));
      draw();
      return;
    }
    if (message.type === "state") { setLive(message.state); return; }
    add(message);
    if (message.type === "history" && recorded) {
      state.moment = state.end;
      parts.body.hidden = !state.device; // a message alone, where there is nothing to play
    }
    if (message.events.some((event) => event.k === "release" && event.n === state.asked)) {
      state.asked = null;
      parts.message.replaceChildren();
    }
    if (message.type === "update") setLive("live");
    draw();
  }
  function add(message) {
    state.samples.push(...message.samples);
    state.events.push(...message.events);
    state.loaded = message.loaded ?? [];
    const limit = model.get("history") * Math.max(1, devices().length);
    if (!recorded && state.samples.length > limit) state.samples.splice(0, state.samples.length - limit);
    if (state.events.length > 2000) state.events.splice(0, state.events.length - 2000);
    const names = new Set(state.models);
    for (const event of message.events) names.add(event.n);
    for (const sample of message.samples) Object.keys(sample.m).forEach((name) => names.add(name));
    state.models = [...names].sort((a, b) => b.startsWith("(") - a.startsWith("(")); // overheads lie below
    const all = [...message.samples, ...message.events].map((entry) => entry.t);
    if (all.length) {
      state.end = all.reduce((a, b) => Math.max(a, b), message.type === "history" ? 0 : state.end);
      const first = (entries) => entries[0]?.t ?? Infinity;
      state.start = Math.min(first(state.samples), first(state.events));
    }
    if (!devices().includes(state.device)) state.device = devices()[0] ?? null;
  }
  function setLive(now) {
    state.live = now;
    const words = {
      waiting: "Waiting for the kernel.", live: "",
      idle: "Paused: nothing has happened for a while. It goes on by itself with the next cell.",
    };
    setText(parts.status, words[now] ?? "");
    parts.resume.hidden = now !== "idle";
  }
  parts.resume.addEventListener("click", () => tell("resume"));
  model.on("msg:custom", take);
  const devices = () => [...new Set([...state.samples, ...state.events].map((e) => e.d))]
    .sort((a, b) => (a === "cpu") - (b === "cpu") || a.localeCompare(b));
  function colour(name) {
    const own = name.startsWith("(");
    const alike = state.models.filter((other) => other.startsWith("(") === own);
    const colours = own ? OVERHEADS : MODEL_COLOURS;
    return colours[alike.indexOf(name) % colours.length];
  }

  // What is drawn: the chosen device, up to the moment, within the window
  function chosen() {
    const to = recorded ? Math.min(state.moment, state.end) : state.end;
    const span = recorded ? Infinity : state.window;
    const from = recorded ? state.start : Math.max(state.start, to - span);
    const here = (entry) => entry.d === state.device && entry.t <= to;
    return {
      from, to, right: recorded ? state.end : Math.max(to, from + Math.min(span, 20)),
      samples: state.samples.filter(here), events: state.events.filter(here),
      work: state.samples.filter((entry) => entry.d === "cpu" && entry.t <= to), // of the process
    };
  }

  function draw() {
    if (!state.device || !parts.plot.clientWidth) return;
    const now = chosen();
    const points = steps(now.samples, now.events);
    const inside = points.filter((point) => point.t >= now.from);
    const before = lastBefore(points, now.from);
    if (before && before.t < now.from) inside.unshift({ t: now.from, held: before.held });
    drawPlot(parts, state, now, inside, { colour, recorded });
    drawTable(parts, state, now, points, { colour, release, recorded });
    drawEvents(parts, now, recorded ? state.start : null);
    drawControls();
  }
  function drawControls() {
    const known = devices();
    if (parts.devices.childElementCount !== known.length) {
      parts.devices.replaceChildren(...known.map((name) => h("button", {
        class: "wb-button", type: "button", "data-device": name,
        onclick: () => { state.device = name; draw(); },
      }, name === "cpu" ? "CPU" : name)));
    }
    parts.devices.hidden = known.length < 2;
    for (const button of parts.devices.children) {
      setAttribute(button, "aria-pressed", String(button.dataset.device === state.device));
    }
    for (const button of parts.windows.children) {
      setAttribute(button, "aria-pressed", String(Number(button.dataset.window) === state.window));
    }
    setAttribute(parts.scale, "aria-pressed", String(state.full));
    if (recorded) {
      parts.slider.max = String(state.end - state.start);
      parts.slider.value = String(Math.min(state.moment, state.end) - state.start);
      setText(parts.position, `${durationText(Math.min(state.moment, state.end) - state.start, 0.1)} of ${durationText(state.end - state.start, 0.1)}`);
    }
  }
  function release(name) { state.asked = name; tell("release", { model: name }); }

  for (const button of parts.windows.children) {
    button.addEventListener("click", () => { state.window = Number(button.dataset.window); draw(); });
  }
  parts.scale.addEventListener("click", () => { state.full = !state.full; draw(); });

  // A recording is played by its own clock
  let playing = 0;
  function stop() { clearInterval(playing); playing = 0; setText(parts.play, "▶ Play"); }
  function play() {
    if (state.moment >= state.end) state.moment = state.start;
    setText(parts.play, "❚❚ Pause");
    let last = performance.now();
    playing = setInterval(() => {
      const passed = (performance.now() - last) / 1000;
      last = performance.now();
      state.moment += passed * Number(parts.speed.value);
      if (state.moment >= state.end) { state.moment = state.end; stop(); }
      draw();
    }, 100);
  }
  parts.play.addEventListener("click", () => (playing ? stop() : play()));
  parts.slider.addEventListener("input", () => {
    stop();
    state.moment = state.start + Number(parts.slider.value);
    draw();
  });

  parts.scales = () => state.scales;
  parts.hover = (at) => { state.hover = at; drawCross(parts, at); };
  const pointer = hovering(parts, () => {
    const now = chosen();
    return { now, points: steps(now.samples, now.events), recorded, start: state.start };
  });
  tell("hello");
  return () => {
    letGo();
    setSeen(false);
    stop();
    pointer();
    observer.disconnect();
    resize.disconnect();
    document.removeEventListener("visibilitychange", onPage);
    model.off("msg:custom", take);
    kernel.close();
  };
}

export default { render };
