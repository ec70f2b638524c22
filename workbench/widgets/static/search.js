// The search panel: settings go to the kernel, results come back; the order at other weights is
// worked out here and confirmed there.

const TYPING = { ahead: 90, search: 260, soon: 400, filter: 500 };
const SETTLED = 700;
const TOLD = 100; // between two messages of one drag: each makes the page around show a busy kernel
const KEPT_CARDS = 400;

function createApp(model, root) {
  const options = model.get("options");
  const app = {
    model, options, settings: model.get("settings"), result: null, columns: [], starts: null,
    scores: null, shown: [], cards: new Map(), views: new Map(), baseline: new Map(), linked: null,
    open: new Set(), wanted: new Set(), years: 0, list: h("ol", { class: "wb-hits", role: "list", "aria-label": "Hits" }),
  };

  app.weightsInOrder = () =>
    (app.result?.signals || []).map((signal) => app.settings.weights[signal] || 0);
  app.paperOf = (row) => app.result.ids[app.result.paperOfRow[row]];

  // Settings, and the kernel's answers to them. What is done without a pause to one control is one
  // gesture, and one step.

  let changing = false, gesture = 0, control = "";
  // Settings that the kernel may not have yet: ipywidgets holds them back while it is busy, and
  // what is sent as a message overtakes them. So every message takes them along.
  let unsure = null;
  const settled = afterPause(SETTLED, () => {
    changing = false;
    control = "";
    app.rest();
    app.send({ type: "settle" });
  });
  function remember() {
    // Movement is shown against the order before this change began.
    if (!changing) app.baseline = new Map(app.shown.map((row, i) => [app.paperOf(row), i + 1]));
    changing = true;
  }

  // The kernel hears of moved weights when they are on screen.
  const tell = afterPaint(TOLD, () => {
    model.set("settings", app.settings);
    model.save_changes();
  });
  app.set = (changes, by) => {
    if (app.gone) return;
    if (by !== control) { tell.now(); gesture++; }
    control = by;
    app.undoable = app.redoable = 0;
    app.settings = { ...app.settings, ...changes, seq: app.settings.seq + 1, gesture };
    unsure = app.settings;
    tell();
    if (!changes.weights) tell.now();
    root.dataset.seq = app.settings.seq;
    app.steps.foresee();
    watch();
    settled();
  };

  // To another step: undo, redo, go. Answered like settings, and newer than those not yet sent.
  app.move = (message) => {
    if (app.gone) return;
    const seq = app.settings.seq + 1;
    app.settings = { ...app.settings, seq };
    app.undoable = app.redoable = 0;
    control = "";
    tell.cancel(); // the message brings along what was not told
    root.dataset.seq = seq;
    watch();
    app.send({ ...message, seq });
    unsure = null;
  };

  app.reweigh = (changes, by) => {
    if (app.gone) return;
    remember();
    app.what = "";
    app.set(changes, by);
    app.showOrder();
  };

  app.edit = (what, edits) => {
    app.what = what;
    remember();
    app.set({ edits }, what);
  };

  // A dead kernel answers nothing; a busy one answers late.
  const silent = afterPause(4000, () => app.showMessage({ kind: "note", title: "No answer yet.",
    text: "The kernel is busy, or was restarted: then run the cell again." }));
  const slow = afterPause(150, () => app.showBusy(true));
  function watch() { app.waiting = true; silent(); if (!root.classList.contains("wb-busy")) slow(); }
  app.answered = (seq) => {
    if (seq < app.settings.seq) return;
    unsure = null;
    app.steps.settle();
    silent.cancel();
    slow.cancel();
    app.showBusy(false);
    if (app.waiting) app.showMessage(model.get("message"));
    app.waiting = false;
    root.dataset.confirmed = seq;
  };
  app.stop = () => {
    if (app.gone) tell.cancel(); else tell.now();
    for (const later of [silent, slow, settled]) later.cancel();
  };

  // Results.

  app.take = (result) => {
    app.holdPlace(result);
    if (result.query !== app.result?.query) { app.pending.clear(); app.suggested.clear(); }
    const same = app.result && app.result.query === result.query;
    const before = new Map(same ? app.shown.map((row, i) => [app.paperOf(row), i + 1]) : []);
    app.result = result;
    app.columns = (result.columns || []).map(doubles);
    app.starts = result.starts ? integers(result.starts) : new Int32Array();
    app.scores = new Float64Array(result.rows || 0);
    result.paperOfRow = new Int32Array(result.rows || 0);
    app.starts.forEach((start, paper) => {
      result.paperOfRow.fill(paper, start, app.starts[paper + 1] ?? result.rows);
    });
    app.baseline = before;
    app.cards = new Map(Object.entries(result.cards || {}).map(([row, card]) => [Number(row), card]));
    app.views = new Map();
    app.list.replaceChildren();
    app.open.clear();
    app.wanted.clear();
    app.linked = app.chosen = null;
    app.showResult();
    app.showOrder.cancel();
    app.shown = [];
    orderNow();
    check(result);
    app.showChange(before);
    app.curve?.confirm();
    lookAhead();
  };

  // Texts of the papers that the sliders can bring up soon, so that a card never waits for them. Not
  // at once: while they are made, the kernel would be late for whoever searches on.
  const lookAhead = afterPause(TYPING.soon, () => {
    if (!app.result?.rows) return;
    const { signals } = app.result, { weights, k } = app.settings, scores = new Float64Array(app.result.rows);
    const shape = Object.fromEntries(signals.map((signal) => [signal, weights[signal] || 0]));
    const wishes = signals.map((signal) => ({ [signal]: 1 }));
    for (let i = 0; i <= 10; i++) wishes.push(balanced(weights, signals, i / 10, shape));
    const rows = wishes.flatMap((wish) => {
      const inOrder = signals.map((signal) => wish[signal] || 0);
      return rankPapers(fuse(app.columns, inOrder, scores), app.starts, k);
    });
    app.wantCards([...new Set(rows)]);
  });

  // The kernel's order is the one that counts; a later position is not yet in it.
  function check(order) {
    if (order.seq !== app.settings.seq || !order.order) return;
    if (order.order.join() !== app.shown.join()) {
      root.dataset.mismatches = Number(root.dataset.mismatches || 0) + 1;
      show(order.order);
    }
    root.dataset.fingerprint = order.fingerprint;
  }

  function orderNow() {
    app.showSettings();
    if (!app.result || !app.starts) return;
    if (app.result.normaliser !== app.settings.normaliser) return; // the kernel sends other columns
    // With no weight at all the kernel refuses; what was there stays meanwhile.
    if (app.result.rows && !app.weightsInOrder().some((weight) => weight)) return;
    const scores = fuse(app.columns, app.weightsInOrder(), app.scores);
    show(rankPapers(scores, app.starts, app.settings.k));
  }
  app.showOrder = oncePerFrame(orderNow);

  // The cards in their order: on screen at once, in the list when they rest.
  let cards = [];
  app.rest = () => arrangeCards(app.list, cards);
  app.list.addEventListener("focusin", app.rest);
  app.laidOut = (elements) => {
    cards = elements;
    if (changing && !app.list.contains(document.activeElement)) placeCards(app.list, cards);
    else app.rest();
  };

  function show(rows) {
    if (app.views.size > KEPT_CARDS)
      for (const row of [...app.views.keys()]) if (!rows.includes(row)) app.views.delete(row);
    app.shown = rows;
    app.wantCards(showCards(app, rows, app.scores));
    app.showStatus();
    app.plane.draw();
    app.curve?.mark();
    root.dataset.order = rows.map(app.paperOf).join("\n");
  }

  app.confirm = (order) => {
    if (!app.result || order.result !== app.result.id) return;
    app.steps.stand(order);
    if (order.seq !== app.settings.seq) return;
    app.showOrder.now();
    check(order);
    for (const row of app.open) askDetails(row);
    app.curve?.confirm();
  };

  function takeCards(cards) {
    for (const [row, card] of Object.entries(cards || {})) {
      app.cards.set(Number(row), card);
      const view = app.views.get(Number(row));
      if (view) fillCard(view, card, app);
    }
    if (app.years) app.showOrder(); // the years came with the texts
  }
  app.takeCards = (more) => { if (app.result && more.result === app.result.id) takeCards(more.cards); };

  app.wantCards = (rows) => {
    const fresh = rows.filter((row) => !app.cards.has(row) && !app.wanted.has(row));
    if (!fresh.length) return;
    fresh.forEach((row) => app.wanted.add(row));
    app.send({ type: "cards", rows: fresh });
  };
  app.send = (message) => {
    if (!app.gone) app.tell({ ...message, result: app.result?.id ?? 0, ...(unsure && { settings: unsure }) });
  };

  // Details.

  app.toggleDetails = (row) => {
    const opening = !app.open.has(row);
    if (opening) { app.open.add(row); askDetails(row); } else app.open.delete(row);
    showOpen(row);
  };
  function showOpen(row) {
    const view = app.views.get(row);
    if (!view) return;
    view.title.setAttribute("aria-expanded", String(app.open.has(row)));
    view.element.classList.toggle("wb-open", app.open.has(row));
    view.details.hidden = !app.open.has(row);
    if (app.open.has(row) && !view.details.childNodes.length) setText(view.details, "…");
  }
  const askDetails = (row) => app.send({ type: "details", row });
  app.takeDetails = (reply) => {
    const view = app.views.get(reply.row);
    if (app.result?.id !== reply.result || !view || !app.open.has(reply.row)) return;
    // The kernel confirms also what did not change: what a person selected or copied there stays.
    const content = JSON.stringify(reply.details);
    if (view.filled === content) return;
    view.filled = content;
    fillDetails(view, reply.details, app);
  };

  // Cards and points.

  app.link = (row) => {
    if (app.linked === row) return;
    app.views.get(app.linked)?.element.classList.remove("wb-linked");
    app.linked = row;
    app.views.get(row)?.element.classList.add("wb-linked");
    app.plane.draw();
  };
  app.reveal = (row) => {
    const view = app.shown.includes(row) && app.views.get(row);
    if (view) { view.element.scrollIntoView({ block: "nearest" }); view.title.focus(); }
  };
  return app;
}
