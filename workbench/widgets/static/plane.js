// Every candidate as a point (BM25, semantic); the current weights as the line that cuts off the
// hits and turns with the slider: a paper rises when the line sweeps over it. Where several signals
// are lexical or semantic, an axis is their mixture, in the proportions of the weights.

const MARGIN = 26;
const LABELS = 20, LABEL = [16, 12];

function createPlane(app) {
  const canvas = h("canvas", { class: "wb-plane-canvas", role: "img", tabindex: "0" });
  const spoken = h("p", { class: "wb-spoken", role: "status" });
  const tip = h("div", { class: "wb-tip", hidden: true });
  const note = h("p", { class: "wb-soft wb-plane-note" });
  const element = h("section", { class: "wb-plane", "aria-label": "Plane of candidates" },
    h("h3", {}, "Candidates"), h("div", { class: "wb-plane-frame" }, canvas, tip), note, spoken);
  const still = document.createElement("canvas"), numbers = document.createElement("canvas");
  let size = 0, ink = {}, drawn = "", shown = "", span = null, axes = [], names = [], groups = [];

  function readInk() {
    const style = getComputedStyle(element);
    const named = (name) => style.getPropertyValue(name).trim();
    ink = { ink: named("--wb-ink"), soft: named("--wb-soft"), line: named("--wb-line"),
      accent: named("--wb-accent"), ground: named("--wb-ground") };
    drawn = shown = "";
    drawNumbers();
  }
  // The theme is an attribute of the page's body in JupyterLab.
  const themes = new MutationObserver(() => { readInk(); draw(); });
  themes.observe(document.body, { attributes: true });
  const sizes = new ResizeObserver(() => { resize(); draw(); });
  sizes.observe(element);

  function resize() {
    const width = Math.min(Math.floor(element.clientWidth), 420);
    if (width < 80 || width === size) return;
    size = width;
    const ratio = window.devicePixelRatio || 1;
    for (const target of [canvas, still]) {
      target.width = target.height = size * ratio;
      const pen = target.getContext("2d");
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.font = "11px system-ui, sans-serif";
      pen.direction = "ltr";
    }
    canvas.style.width = canvas.style.height = `${size}px`;
    readInk();
  }

  // Ranks as pictures: text on a canvas makes the browser lay out the page first, in every frame.
  function drawNumbers() {
    const ratio = window.devicePixelRatio || 1;
    numbers.width = LABEL[0] * LABELS * ratio;
    numbers.height = LABEL[1] * ratio;
    const pen = numbers.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "10px system-ui, sans-serif";
    pen.direction = "ltr";
    pen.fillStyle = ink.ink;
    for (let i = 0; i < LABELS; i++) pen.fillText(String(i + 1), i * LABEL[0] + 1, LABEL[1] - 3);
  }

  function chooseGroups() {
    const { signals } = app.result;
    groups = [signals.filter(isLexical), signals.filter(isSemantic)];
    // Another engine may have one kind only: then the first and the last of its signals.
    if (groups.some((group) => !group.length)) groups = [[signals[0]], [signals.at(-1)]];
    return groups.map((group) => app.weights.shares(group));
  }

  function mixture(group, shares) {
    const mixed = new Float64Array(app.result.rows);
    group.forEach((signal, i) => {
      const column = app.columns[app.result.signals.indexOf(signal)];
      if (shares[i]) for (let row = 0; row < mixed.length; row++) mixed[row] += shares[i] * column[row];
    });
    return mixed;
  }

  function chooseAxes(shares) {
    axes = groups.map((group, axis) => mixture(group, shares[axis]));
    names = groups.map((group, axis) => group.filter((_, i) => shares[axis][i]).join(" + "));
    span = axes.map((values) => {
      let low = Infinity, high = -Infinity;
      for (const value of values) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
      return low < high ? [low, high] : [low - 1, high + 1];
    });
  }
  const inner = () => size - 2 * MARGIN;
  const toX = (value) => MARGIN + ((value - span[0][0]) / (span[0][1] - span[0][0])) * inner();
  const toY = (value) =>
    size - MARGIN - ((value - span[1][0]) / (span[1][1] - span[1][0])) * inner();
  const place = (row) => [toX(axes[0][row]), toY(axes[1][row])];

  // The points stay while the line turns: drawn once a result and proportions.
  function drawStill() {
    const shares = chooseGroups();
    const key = `${app.result.id} ${shares.flat().map((share) => share.toFixed(3)).join()}`;
    if (drawn === key) return;
    drawn = key;
    chooseAxes(shares);
    const pen = still.getContext("2d");
    pen.clearRect(0, 0, size, size);
    pen.strokeStyle = ink.line;
    pen.strokeRect(MARGIN, MARGIN, inner(), inner());
    pen.fillStyle = ink.soft;
    pen.fillText(`${names[0]} →`, MARGIN, size - 8, inner());
    pen.save();
    pen.translate(16, size - MARGIN);
    pen.rotate(-Math.PI / 2);
    pen.fillText(`${names[1]} →`, 0, 0, inner());
    pen.restore();
    pen.globalAlpha = 0.4;
    for (let row = 0; row < app.result.rows; row++) {
      const [x, y] = place(row);
      pen.fillRect(x - 1.5, y - 1.5, 3, 3);
    }
    pen.globalAlpha = 1;
  }

  function drawLine(pen, last) {
    const [a, b] = groups.map((group) => groupWeight(app.settings.weights, group));
    if (!a && !b) return;
    const level = a * axes[0][last] + b * axes[1][last];
    // Points of the line a x + b y = level far outside the frame, which clips it.
    const far = 1e3, ends = b
      ? [-far, far].map((x) => [x, (level - a * x) / b])
      : [-far, far].map((y) => [level / a, y]);
    pen.save();
    pen.beginPath();
    pen.rect(MARGIN, MARGIN, inner(), inner());
    pen.clip();
    pen.strokeStyle = ink.accent;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(toX(ends[0][0]), toY(ends[0][1]));
    pen.lineTo(toX(ends[1][0]), toY(ends[1][1]));
    pen.stroke();
    pen.restore();
  }

  // Beside the point, where no other label stands and the frame does not end; else none.
  function label(pen, number, x, y, taken) {
    const width = 6 * String(number).length + 2, [wide, high] = LABEL, ratio = numbers.height / high;
    for (const [left, base] of [[x + 6, y - 4], [x - width - 4, y - 4], [x + 6, y + 12], [x - width - 4, y + 12], [x - width / 2, y - 9]]) {
      const free = taken.every(([l, b, w]) => left + width < l || l + w < left || Math.abs(b - base) > 10);
      if (!free || left < 0 || left + width > size || base < 10 || base > size) continue;
      taken.push([left, base, width]);
      pen.drawImage(numbers, (number - 1) * wide * ratio, 0, wide * ratio, numbers.height,
        left - 1, base - high + 3, wide, high);
      return;
    }
  }

  function drawHits(pen, rows, linked) {
    const taken = []; // by labels: one over another could not be read
    rows.forEach((row, i) => {
      const [x, y] = place(row);
      pen.fillStyle = ink.accent;
      pen.beginPath();
      pen.arc(x, y, row === linked ? 7 : 4, 0, 2 * Math.PI);
      pen.fill();
      pen.strokeStyle = row === linked ? ink.ink : ink.ground;
      pen.lineWidth = row === linked ? 2 : 1;
      pen.stroke();
      if (i < LABELS) label(pen, i + 1, x, y, taken);
    });
  }

  function draw() {
    if (!size) resize();
    if (!app.result?.rows || !size) { element.hidden = !app.result?.rows; return; }
    if (element.hidden) { element.hidden = false; resize(); }
    drawStill();
    const rows = app.shown;
    const now = `${drawn} ${rows} ${app.linked} ${JSON.stringify(app.settings.weights)}`;
    if (now === shown) return;
    shown = now;
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, size, size);
    pen.drawImage(still, 0, 0, size, size);
    if (rows.length) drawLine(pen, rows[rows.length - 1]);
    drawHits(pen, rows, app.linked);
    if (app.linked !== null && !rows.includes(app.linked)) drawHits(pen, [app.linked], app.linked);
    const others = app.result.signals.filter((name) =>
      app.settings.weights[name] && !groups.flat().includes(name));
    setText(note, others.length
      ? `${others.join(", ")} also counts, so hits may lie under the line.`
      : "The line cuts off the hits. Move the weights and it turns.");
    setAttribute(canvas, "aria-label", `${app.result.rows} candidates by `
      + `${names[0]} and ${names[1]}, ${rows.length} of them hits`);
  }

  function nearest(event) {
    if (!app.result?.rows || !span) return null;
    const box = canvas.getBoundingClientRect();
    const at = [event.clientX - box.left, event.clientY - box.top];
    let found = null, least = 12 * 12;
    for (let row = 0; row < app.result.rows; row++) {
      const [x, y] = place(row), distance = (x - at[0]) ** 2 + (y - at[1]) ** 2;
      // Hits lie on top, so they are also easier to catch.
      const caught = app.shown.includes(row) ? distance / 4 : distance;
      if (caught < least) [found, least] = [row, caught];
    }
    return found;
  }

  function point(row) {
    app.link(row);
    tip.hidden = row === null;
    if (row === null) return;
    app.wantCards([row]);
    const [x, y] = place(row), card = app.cards.get(row);
    const values = axes.map((values, axis) =>
      `${names[axis]} ${values[row].toFixed(3)}`).join(", ");
    tip.replaceChildren(h("b", { dir: "auto" }, card?.title || app.paperOf(row)), values);
    const left = x > size / 2;
    Object.assign(tip.style, { top: `${y + 10}px`, left: left ? "auto" : `${x}px`,
      right: left ? `${size - x}px` : "auto" });
  }
  canvas.addEventListener("mousemove", (event) => point(nearest(event)));
  // By keyboard: the hits in their order; Enter goes to the card.
  let keyed = -1;
  canvas.addEventListener("focus", () => { keyed = -1; });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = keyed; // not what the mouse happens to lie on
    if (event.key === "Enter" && at >= 0) { app.reveal(app.shown[at]); event.preventDefault(); }
    if (event.key === "Escape") point(null);
    if (!way || !app.shown.length) return;
    event.preventDefault();
    const next = at < 0 ? 0 : Math.min(Math.max(at + way, 0), app.shown.length - 1);
    keyed = next;
    point(app.shown[next]);
    setText(spoken, `${next + 1}: ${tip.textContent}`);
  });
  canvas.addEventListener("blur", () => { tip.hidden = true; app.link(null); });
  canvas.addEventListener("mouseleave", () => { tip.hidden = true; app.link(null); });
  canvas.addEventListener("click", (event) => {
    const row = nearest(event);
    if (row !== null) app.reveal(row);
  });

  const stop = () => { themes.disconnect(); sizes.disconnect(); };
  return { element, draw, stop, place };
}
