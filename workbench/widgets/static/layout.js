// What stands where in the search panel, and what its controls do.

function createQueryBox(app) {
  const box = h("input", {
    class: "wb-input wb-query", type: "search", dir: "auto", "aria-label": "Query",
    placeholder: "What are you looking for?", autocomplete: "off", spellcheck: "false",
  });
  box.value = app.settings.query || "";
  const ahead = afterPause(TYPING.ahead, () => app.send({ type: "ahead", query: box.value }));
  const search = afterPause(TYPING.search, () => ask());
  function ask() {
    ahead.cancel();
    search.cancel();
    if (box.value.trim() === (app.settings.query || "").trim()) return;
    app.what = "";
    app.set({ query: box.value, edits: {} });
  }
  box.addEventListener("input", () => { ahead(); search(); });
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") ask(); });
  const show = () => {
    if (document.activeElement !== box) box.value = app.settings.query || "";
  };
  return { element: box, show, ask, stop: () => { ahead.cancel(); search.cancel(); } };
}

function createFilters(app) {
  const field = (name, label, properties) => {
    const input = h("input", { class: "wb-input", "aria-label": label, placeholder: label, ...properties });
    input.addEventListener("input", () => pause());
    input.addEventListener("change", () => change());
    return input;
  };
  const pause = afterPause(TYPING.filter, () => change());
  const first = field("first", "year from", { type: "number", size: "5" });
  const last = field("last", "year to", { type: "number", size: "5" });
  const venue = field("venue", "venue", { type: "text", size: "12" });
  const author = field("author", "author", { type: "text", size: "12" });
  const k = h("select", { class: "wb-select", "aria-label": "Number of hits" },
    app.options.ks.map((count) => h("option", { value: String(count) }, `${count} hits`)));
  k.addEventListener("change", () => app.reweigh({ k: Number(k.value) }));
  function change() {
    pause.cancel();
    const number = (input) => (input.value === "" ? null : Number(input.value));
    const filters = { year: [number(first), number(last)], venue: venue.value, author: author.value };
    if (JSON.stringify(filters) === JSON.stringify(app.settings.filters)) return;
    app.what = "";
    app.set({ filters });
  }
  const clear = h("button", { class: "wb-button", type: "button", onclick: () => {
    for (const input of [first, last, venue, author]) input.value = "";
    change();
  } }, "Clear filters");
  const element = h("div", { class: "wb-row wb-filters", role: "group", "aria-label": "Filters" },
    first, last, venue, author, clear, k);
  const show = () => {
    const { year = [null, null], venue: v = "", author: a = "" } = app.settings.filters || {};
    const values = [[first, year[0]], [last, year[1]], [venue, v], [author, a]];
    for (const [input, value] of values)
      if (document.activeElement !== input) input.value = value ?? "";
    clear.hidden = !values.some(([, value]) => value !== null && value !== "");
    if (![...k.options].some((option) => option.value === String(app.settings.k)))
      k.append(h("option", { value: String(app.settings.k) }, `${app.settings.k} hits`));
    k.value = String(app.settings.k);
  };
  return { element, show, stop: pause.cancel };
}

// What the last change of the query's terms did, in words.
function describeChange(app, before) {
  const after = new Map(app.shown.map((row, i) => [app.paperOf(row), i + 1]));
  let fresh = 0, up = 0, down = 0;
  for (const [paper, rank] of after) {
    const old = before.get(paper);
    if (old === undefined) fresh++;
    else if (old > rank) up++;
    else if (old < rank) down++;
  }
  return fresh || up || down
    ? `${app.what}: ${fresh} new, ${up} up, ${down} down of ${after.size}.`
    : `${app.what}: the order of the hits stays.`;
}

function createCode(app) {
  const code = h("pre", { class: "wb-code", hidden: true, tabindex: "0", "aria-label": "Code of this state" });
  const button = h("button", { class: "wb-button", type: "button",
    title: "The cell that gives this ranking again", onclick: () => app.send({ type: "code" }) },
  "Copy as code");
  const said = h("span", { class: "wb-soft", role: "status" });
  async function take(text) {
    setText(code, text);
    code.hidden = false;
    setText(said, (await copyText(text)) ? "Copied; also shown below." : "Select it below.");
  }
  const hide = () => { code.hidden = true; setText(said, ""); };
  return { bar: h("div", { class: "wb-row" }, button, said), code, take, hide };
}

function render({ model, el }) {
  const root = h("div", { class: "wb wb-search" });
  el.append(root);
  const app = createApp(model, root);
  const query = createQueryBox(app), filters = createFilters(app), chips = createChips(app);
  const weights = createWeights(app), plane = createPlane(app), code = createCode(app);
  const status = h("div", { class: "wb-soft wb-status", role: "status" });
  const effect = h("div", { class: "wb-effect", role: "status" });
  const messages = h("div", { class: "wb-messages" }), notes = h("div");
  app.plane = plane;
  app.weights = weights;
  app.curve = model.get("judged").metric ? createCurve(app, query, weights) : null;

  app.showMessage = (message) => messages.replaceChildren(...messageBox(message));
  app.showSettings = () => { query.show(); filters.show(); weights.show(); code.hide(); };
  app.showResult = () => {
    const { result } = app, texts = [...(result.notes || [])];
    if (result.query && !result.rows) texts.push("Widen the filters, or require fewer terms.");
    notes.replaceChildren(...messageBox({ kind: "note", text: texts.join(" ") }));
    chips.show(result);
    setText(status, result.query
      ? `${Math.min(app.settings.k, result.papers)} of ${result.papers.toLocaleString("en")} papers`
        + ` · ${result.rows.toLocaleString("en")} candidates · ${result.ms} ms · ${result.profile}`
      : "");
    root.classList.toggle("wb-empty", !result.query);
  };
  app.showChange = (before) => {
    effect.replaceChildren();
    if (!app.what) return;
    const undo = h("button", { class: "wb-button", type: "button",
      onclick: () => app.edit("Undone", app.before) }, "Undo");
    effect.append(h("span", {}, describeChange(app, before)), undo);
  };

  root.append(
    h("div", { class: "wb-top" }, query.element, filters.element, chips.element, effect, messages),
    h("div", { class: "wb-columns" },
      h("div", { class: "wb-side" }, app.curve?.element || [], weights.element, plane.element,
        app.curve?.queries || []),
      h("div", { class: "wb-main" }, notes, status, app.list, code.bar, code.code)));

  const listeners = {
    "change:result": () => app.take(model.get("result")),
    "change:order": () => app.confirm(model.get("order")),
    "change:more": () => app.takeCards(model.get("more")),
    "change:message": () => app.showMessage(model.get("message")),
    "change:judged": () => app.curve?.load(model.get("judged")),
    "change:answered": () => app.answered(model.get("answered")),
    "change:settings": () => {
      // Not from here: a profile was chosen, code set the panel, or another view of it moved.
      const settings = model.get("settings");
      if (settings !== app.settings && settings.seq >= app.settings.seq) {
        app.settings = settings;
        app.showSettings();
        app.showOrder();
      }
    },
    "msg:custom": (message) => {
      if (message.type === "details") app.takeDetails(message);
      else if (message.type === "code") code.take(message.code);
      else if (message.type === "regrets") app.curve?.take(message);
    },
  };
  for (const [name, work] of Object.entries(listeners)) model.on(name, work);
  app.take(model.get("result"));
  app.takeCards(model.get("more"));
  app.showMessage(model.get("message"));
  root.dataset.ready = "1";

  return () => {
    for (const [name, work] of Object.entries(listeners)) model.off(name, work);
    plane.stop();
    app.curve?.stop();
    query.stop();
    filters.stop();
    app.showOrder.cancel();
  };
}

export default { render };
