// The experiments of a corpus: a table with filters, two of them compared, the history of a metric.

const SVG = "http://www.w3.org/2000/svg";
const svg = (tag, properties, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

function render({ model, el }) {
  let rows = [], metrics = [], best = "", metric = "", by = "started", up = false;
  const chosen = new Set();
  const parts = {
    message: h("div"),
    text: h("input", { class: "wb-input", type: "search", placeholder: "name, tag or note", "aria-label": "Filter by text" }),
    kind: h("select", { class: "wb-input", "aria-label": "Kind" }),
    tag: h("select", { class: "wb-input", "aria-label": "Tag" }),
    metric: h("select", { class: "wb-input", "aria-label": "Metric" }),
    count: h("span", { class: "wb-soft", role: "status" }),
    head: h("tr"), body: h("tbody"), history: h("div", { class: "wb-history" }),
    compare: h("button", { class: "wb-button wb-primary", type: "button", disabled: true, onclick: () => tell({ type: "diff", ids: [...chosen] }) }, "Why do they differ?"),
    note: h("input", { class: "wb-input", type: "text", placeholder: "note or tag for the chosen", "aria-label": "Note or tag" }),
    addNote: h("button", { class: "wb-button", type: "button", onclick: () => annotate("note") }, "Add note"),
    addTag: h("button", { class: "wb-button", type: "button", onclick: () => annotate("tag") }, "Add tag"),
    diff: h("div", { class: "wb-diff", "aria-live": "polite" }),
  };
  const filter = () => ({ text: parts.text.value, kind: parts.kind.value, tag: parts.tag.value, metric: parts.metric.value });
  const ask = () => tell({ type: "filter", ...filter() });
  const later = afterPause(150, ask);
  parts.text.addEventListener("input", () => later());
  for (const name of ["kind", "tag", "metric"]) parts[name].addEventListener("change", ask);
  const root = h("div", { class: "wb wb-experiments", role: "region", "aria-label": "Experiments" },
    parts.message,
    h("div", { class: "wb-line" }, parts.text, parts.kind, parts.tag, parts.metric, parts.count),
    parts.history,
    h("div", { class: "wb-scroll" }, h("table", {}, h("thead", {}, parts.head), parts.body)),
    h("div", { class: "wb-line" }, parts.compare, parts.note, parts.addNote, parts.addTag),
    parts.diff);
  el.replaceChildren(root);
  const kernel = kernelOf(model, root, () => parts.message.replaceChildren());
  const { tell } = kernel;
  const release = holdKeys(root);

  function annotate(type) {
    if (!parts.note.value.trim() || !chosen.size) { parts.note.focus(); return; }
    for (const id of chosen) tell({ type, id, text: parts.note.value, filter: filter() });
    parts.note.value = "";
  }
  function options(select, first, values) {
    const now = select.value;
    select.replaceChildren(h("option", { value: "" }, first), ...values.map((value) => h("option", { value }, value)));
    if (values.includes(now)) select.value = now;
  }
  function take(message) {
    ({ rows, metrics, best, metric } = message);
    options(parts.kind, "every kind", message.kinds);
    options(parts.tag, "every tag", message.tags);
    options(parts.metric, metric || "metric", metrics);
    const known = new Set(rows.map((row) => row.id));
    for (const id of chosen) if (!known.has(id)) chosen.delete(id);
    setText(parts.count, `${message.found} of ${message.whole}${message.found > rows.length ? `, the newest ${rows.length} shown` : ""}`);
    draw();
    history(message.history);
  }
  const value = (row) => by in row ? row[by] : row.metrics[by];
  function draw() {
    const columns = [["started", "when (UTC)"], ["name", "what"], ["kind", "kind"], ["tags", "tags and notes"], ...metrics.map((name) => [name, name]), ["seconds", "s"]];
    parts.head.replaceChildren(h("td"), ...columns.map(([name, label]) => h("th", { "aria-sort": by === name ? (up ? "ascending" : "descending") : "none" },
      h("button", { class: "wb-link", type: "button", onclick: () => { up = by === name ? !up : false; by = name; draw(); } }, label, by === name ? (up ? " ▴" : " ▾") : ""))));
    const ordered = [...rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    });
    parts.body.replaceChildren(...ordered.map((row) => h("tr", { class: row.id === best ? "wb-best" : "", "data-id": row.id },
      h("td", {}, h("input", { type: "checkbox", checked: chosen.has(row.id), "aria-label": `Choose ${row.id}`, onchange: (event) => choose(row.id, event.target.checked) })),
      h("td", { title: row.id }, row.when),
      h("td", { dir: "auto" }, row.name, row.error ? h("div", { class: "wb-failed" }, row.error) : ""),
      h("td", {}, row.kind),
      h("td", { dir: "auto" }, row.tags.map((tag) => h("span", { class: "wb-tag" }, tag)), row.notes.map((note) => h("div", { class: "wb-soft" }, note))),
      ...metrics.map((name) => h("td", { class: "wb-n" }, name in row.metrics ? row.metrics[name].toFixed(4) : "")),
      h("td", { class: "wb-n" }, row.seconds.toFixed(1)))));
  }
  function choose(id, on) {
    if (on) chosen.add(id); else chosen.delete(id);
    parts.compare.disabled = chosen.size !== 2;
  }
  function history(points) {
    if (points.length < 2) { parts.history.replaceChildren(); return; }
    const [width, height] = [720, 90];
    const values = points.map((point) => point.value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const x = (i) => 6 + (width - 12) * i / (points.length - 1);
    const y = (v) => 6 + (height - 12) * (1 - (v - low) / (high - low || 1));
    const line = svg("polyline", { points: points.map((p, i) => `${x(i)},${y(p.value)}`).join(" "), fill: "none", stroke: "currentColor", "stroke-opacity": ".4" });
    const marks = points.map((p, i) => svg("circle", { cx: x(i), cy: y(p.value), r: p.note ? 5 : 3, class: p.note ? "wb-noted" : p.id === best ? "wb-top" : "" },
      svg("title", {}, `${p.name} (${p.id}): ${p.value.toFixed(4)}${p.note ? `. ${p.note}` : ""}`)));
    parts.history.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${metric} over time, from ${low.toFixed(4)} to ${high.toFixed(4)}` }, line, ...marks));
  }
  const heard = {
    rows: (message) => { parts.message.replaceChildren(); take(message); },
    diff: (message) => { parts.message.replaceChildren(); parts.diff.innerHTML = message.html; }, // escaped by the kernel's templates
    message: (message) => parts.message.replaceChildren(...messageBox(message.message)),
  };
  const hear = (message) => heard[message.type]?.(message);
  model.on("msg:custom", hear);
  ask();
  return () => { release(); later.cancel(); model.off("msg:custom", hear); kernel.close(); };
}

export default { render };
