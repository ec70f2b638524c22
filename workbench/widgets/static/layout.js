// What stands where in the search panel, and what its controls do.

// Above the list: how many hits in which order, and what judging needs. One stop of the Tab key.
function createListBar(app) {
  const k = h("select", { class: "wb-select", "aria-label": "Number of hits" },
    app.options.ks.map((count) => h("option", { value: String(count) }, `${count} hits`)));
  k.addEventListener("change", () => app.reweigh({ k: Number(k.value) }, "k"));
  const years = h("select", { class: "wb-select", "aria-label": "Order of the hits", title: "Which papers are hits, the weights decide; here is how they are listed" },
    [["0", "best first"], ["-1", "newest first"], ["1", "oldest first"]]
      .map(([way, text]) => h("option", { value: way }, text)));
  years.addEventListener("change", () => { app.years = Number(years.value); app.showOrder(); });
  const judging = app.options.grading ? createJudging(app, () => settle()) : null;
  const element = h("div", { class: "wb-row wb-list-bar", role: "toolbar", "aria-label": "Hits" },
    k, years, judging?.element);
  const settle = rove(element);
  settle();
  const show = () => {
    if (![...k.options].some((option) => option.value === String(app.settings.k)))
      k.append(h("option", { value: String(app.settings.k) }, `${app.settings.k} hits`));
    setValue(k, String(app.settings.k));
  };
  const showResult = () => { if (judging) { judging.show(); settle(); } };
  return { element, show, showResult, take: (rows) => judging?.take(rows) };
}

function createJudging(app, settle) {
  const said = h("span", { class: "wb-soft", role: "status" });
  const blind = h("input", { type: "checkbox" });
  blind.addEventListener("change", () => app.setBlind(blind.checked));
  const next = h("button", { class: "wb-button", type: "button", title: "Mark the papers whose grade could change which weights win",
    onclick: () => { setText(said, "Looking…"); app.send({ type: "next" }); } }, "Judge next");
  const open = h("span");
  function take(rows) {
    const { here, elsewhere } = app.takeSuggestions(rows);
    setText(said, here ? `${here} of this query marked.` : rows.length ? "None of this query; " : "No grade could change which weights win.");
    open.replaceChildren(...(elsewhere && !here ? [h("button", { class: "wb-small", type: "button", onclick: () => app.ask(elsewhere.query) }, `go to “${elsewhere.query}”`)] : []));
    settle();
  }
  const keys = h("span", { class: "wb-soft wb-keys" }, "0–3 grade, X take back, ↑ ↓ paper");
  const element = h("div", { class: "wb-row wb-judging-row" }, next, h("label", { class: "wb-row" }, blind, "Blind"), said, open, keys);
  // A query that is none of those to judge has no grades.
  const show = () => {
    element.hidden = !app.result?.grades;
    for (const control of [next, blind]) control.disabled = element.hidden;
  };
  return { element, show, take };
}

function render({ model, el }) {
  const root = h("div", { class: "wb wb-search", role: "region", "aria-label": "Search panel" });
  el.append(root);
  const release = holdKeys(root);
  const app = createApp(model, root);
  addGrading(app, root);
  const query = createQueryBox(app), filters = createFilters(app), chips = createChips(app);
  const weights = createWeights(app), plane = createPlane(app), code = createCode(app);
  const steps = (app.steps = createSteps(app)), bar = createListBar(app);
  const status = h("div", { class: "wb-soft wb-status", role: "status" });
  const effect = h("div", { class: "wb-effect", role: "status" });
  const messages = h("div", { class: "wb-messages" }), notes = h("div"), hints = h("div", { class: "wb-row" });
  const more = h("button", { class: "wb-button", type: "button",
    onclick: () => app.reweigh({ k: app.settings.k + 10 }, "k") }, "Show 10 more");
  const side = h("div", { class: "wb-side" });
  app.plane = plane;
  app.weights = weights;
  app.curve = null;

  // The kernel may be gone: then nothing here looks as if it worked.
  const kernel = kernelOf(model, root, () => {
    app.gone = true;
    app.stop();
    app.showBusy(false);
    messages.replaceChildren();
  });
  app.tell = kernel.tell;

  app.showMessage = (message) => { if (!app.gone) messages.replaceChildren(...messageBox(message)); };
  app.showSettings = () => { query.show(); filters.show(); bar.show(); weights.show(); code.hide(); };
  app.showStatus = () => {
    const { result } = app;
    setText(status, result?.query
      ? `${app.shown.length} of ${result.papers.toLocaleString("en")} papers`
        + ` · ${result.rows.toLocaleString("en")} candidates · ${result.ms} ms · ${result.profile}`
      : "");
    more.hidden = !result?.query || app.shown.length >= result.papers;
  };
  app.showResult = () => {
    const { result } = app, texts = [...(result.notes || [])];
    if (result.query && !result.rows) texts.push("Widen the filters, or require fewer terms.");
    notes.replaceChildren(...messageBox({ kind: "note", text: texts.join(" ") }));
    hints.replaceChildren(...(result.hints?.length ? [h("span", {}, "Did you mean"),
      ...result.hints.map((hint) => h("button", { class: "wb-suggestion", type: "button", onclick: () => app.instead(hint) },
        `${hint.name} (${hint.count})`))] : []));
    chips.show(result);
    bar.showResult();
    root.classList.toggle("wb-empty", !result.query);
  };
  // With the query cleared the panel keeps its place, or the page under it would jump.
  app.holdPlace = (result) => {
    if (result.query) root.style.minHeight = "";
    else if (!root.classList.contains("wb-empty")) root.style.minHeight = getComputedStyle(root).height; // with or without padding, as `minHeight` counts
  };
  app.showChange = (before) => {
    effect.replaceChildren();
    if (app.what) effect.append(h("span", {}, describeChange(app, before)));
  };
  app.showBusy = (busy) => {
    root.classList.toggle("wb-busy", busy);
    setAttribute(app.list, "aria-busy", String(busy));
  };
  function loadCurve() {
    const judged = model.get("judged");
    for (const part of app.curve ? [app.curve.element, app.curve.queries] : []) part.hidden = !judged.metric;
    if (!judged.metric) return; // not yet, or no longer: the last grade was taken back
    if (app.curve) { app.curve.load(judged); return; }
    app.curve = createCurve(app, query, weights);
    root.classList.add("wb-judged");
    side.prepend(app.curve.element);
    side.append(app.curve.queries);
  }

  const top = h("div", { class: "wb-top" }, query.element, filters.element, chips.element, steps.bar, steps.versus, effect);
  const foot = h("div", { class: "wb-row wb-foot-bar" }, more, code.button, code.said, steps.more);
  side.append(weights.element, plane.element);
  const progress = h("div", { class: "wb-progress-line", "aria-hidden": "true" });
  root.append(progress, top, messages,
    h("div", { class: "wb-columns" },
      h("div", { class: "wb-main" }, notes, hints, bar.element, status,
        h("div", { class: "wb-frame" }, app.list), foot, code.code), side));
  loadCurve();

  // Not from here: refused, undone, a profile chosen, code that set the panel, another view of it.
  // Before the order that goes with them, or that would be compared with one at other weights.
  function adopt() {
    const settings = model.get("settings");
    if (settings === app.settings || settings.seq < app.settings.seq) return;
    app.settings = settings;
    if (app.result) chips.show(app.result);
    app.showOrder();
  }
  const listeners = {
    "change:result": () => { adopt(); app.take(model.get("result")); },
    "change:order": () => { adopt(); app.confirm(model.get("order")); },
    "change:more": () => app.takeCards(model.get("more")),
    "change:message": () => app.showMessage(model.get("message")),
    "change:judged": loadCurve,
    "change:steps": () => { steps.show(model.get("steps")); query.offer(model.get("steps").steps || []); },
    "change:pinned": () => steps.showPin(model.get("pinned")),
    "change:answered": () => app.answered(model.get("answered")),
    "change:settings": adopt,
    "msg:custom": (message) => {
      const heard = {
        details: app.takeDetails, code: (said) => code.take(said.code), regrets: (said) => app.curve?.take(said),
        graded: app.takeGrade, names: filters.take, next: (said) => bar.take(said.suggestions),
        export: (said) => download(said.name, said.text),
      };
      heard[message.type]?.(message);
    },
  };
  for (const [name, work] of Object.entries(listeners)) model.on(name, work);
  app.take(model.get("result"));
  app.takeCards(model.get("more"));
  steps.show(model.get("steps"));
  query.offer(model.get("steps").steps || []);
  steps.showPin(model.get("pinned"));
  app.showMessage(model.get("message"));
  root.dataset.ready = "1";

  return () => {
    for (const [name, work] of Object.entries(listeners)) model.off(name, work);
    release();
    kernel.close();
    plane.stop();
    app.stop();
    app.curve?.stop();
    query.stop();
    filters.stop();
    chips.stop();
    steps.stop();
    app.showOrder.cancel();
  };
}

export default { render };
