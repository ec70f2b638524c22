// Judging: a key grades, is sent at once, and the next paper without a grade comes up.

const SLOW = 2500; // ms after which a person is told that a grade is not saved yet

function render({ model, el }) {
  const state = { queries: [], grades: [], query: null, papers: [], at: 0, drafts: new Map(), wanted: null, done: false, loading: false };
  const pending = new Map(); // by query and paper: a paper may stand under several queries
  const pair = (query, paper) => JSON.stringify([query, paper]);
  const parts = makeJudging((what) => ({ undo, impact, retract })[what]());
  el.replaceChildren(parts.root);
  const release = holdKeys(parts.root);
  // While another query's papers come, those of the one before are on screen: no key is for them.
  const current = () => (state.loading ? undefined : state.papers[state.at]);
  const drawList = oncePerFrame(() => drawQueries(parts, state, open)); // ranking sends many
  const kernel = kernelOf(model, parts.root, () => {
    clearInterval(watch);
    setText(parts.saved, pending.size ? "Not saved" : "");
    clearMessage();
    foundImpact();
  });
  const tell = (type, more = {}) => kernel.tell({ type, ...more });

  function draw() {
    drawQueries(parts, state, open);
    setText(parts.query, state.queries.find((query) => query.id === state.query)?.text ?? "");
    drawSquares(parts, state, go);
    drawCard(parts, state, grade);
    parts.blind.checked = model.get("blind");
  }
  function showNote() {
    const paper = current();
    if (!paper) return;
    parts.note.value = state.drafts.get(pair(state.query, paper.id)) ?? paper.note;
  }

  // Moving
  function open(query, paper = null) {
    if (query !== state.query) { parts.reason.hidden = true; state.loading = true; }
    state.query = query;
    state.wanted = paper;
    tell("open", { query });
    draw();
    parts.queries.querySelector(`[aria-current="true"]`)?.scrollIntoView({ block: "nearest" });
  }
  function go(at) {
    if (at < 0 || at >= state.papers.length) return;
    keepNote();
    state.at = at;
    state.done = false;
    draw();
    showNote();
  }
  function goQuery(way) {
    const at = state.queries.findIndex((query) => query.id === state.query);
    const next = state.queries[at + way];
    if (next) { keepNote(); open(next.id); }
  }
  function advance() {
    const from = state.at;
    const order = [...state.papers.keys()].map((i) => (from + 1 + i) % state.papers.length);
    const next = order.find((i) => state.papers[i].grade === null && state.papers[i].known == null);
    if (next !== undefined) { go(next); return; }
    state.done = true;
    draw();
    const later = state.queries.find((query) => query.id !== state.query && query.done !== query.of);
    say(later ? "This query is done. → goes to the next one." : "Every query is done.");
  }

  // Judging
  function send(paper, value, note) {
    if (!tell("grade", { query: state.query, paper: paper.id, grade: value, note })) return false;
    waitFor(paper);
    Object.assign(paper, { grade: value, note });
    return true;
  }
  // Several may be under way for one pair: what stood before the first comes back if all fail.
  function waitFor(paper) {
    const key = pair(state.query, paper.id), before = { grade: paper.grade, note: paper.note };
    const { waiting, ...known } = pending.get(key) ?? { waiting: 0, before, since: performance.now() };
    pending.set(key, { ...known, waiting: waiting + 1 });
    paper.pending = true;
    showSaving();
  }
  // An answer came, with what stands in the file where it could be written: what to show now.
  function answered(key, stands) {
    const asked = pending.get(key);
    if (!asked) return stands;
    if (stands) asked.before = stands;
    asked.waiting--;
    if (asked.waiting) return null; // a later one is on screen
    pending.delete(key);
    return asked.before;
  }
  const shownPaper = (query, id) => (query === state.query && !state.loading ? state.papers.find((one) => one.id === id) : undefined);
  function grade(value, byKey = false) {
    const paper = current();
    if (!paper || value >= state.grades.length) return;
    // One key too many after the last paper would take that one's grade away.
    if (state.done && byKey) { say("Nothing more to grade here: ↑ ↓ choose a paper to change its grade, → the next query."); return; }
    if (!send(paper, value, parts.note.value.trim())) return;
    state.drafts.delete(pair(state.query, paper.id));
    clearMessage();
    advance();
  }
  function keepNote() {
    const paper = current();
    if (!paper) return;
    const text = parts.note.value.trim();
    if (text === (paper.note ?? "")) { state.drafts.delete(pair(state.query, paper.id)); return; }
    if (paper.grade === null) state.drafts.set(pair(state.query, paper.id), text);
    else send(paper, paper.grade, text);
  }
  function retract() {
    const paper = current();
    if (!paper || paper.grade === null) return;
    if (!tell("retract", { query: state.query, paper: paper.id })) return;
    waitFor(paper);
  }
  function undo() { clearMessage(); tell("undo"); }
  function redo() { clearMessage(); tell("redo"); }
  function impact() {
    keepNote();
    clearMessage();
    if (!tell("next")) return;
    parts.impact.disabled = true;
    setText(parts.impact, "Looking…");
  }
  function foundImpact() {
    parts.impact.disabled = false;
    setText(parts.impact, "Judge next by impact");
  }

  // What comes from the kernel
  const heard = {
    start(message) {
      Object.assign(state, { queries: message.queries, grades: message.grades });
      setText(parts.who, `${message.who} judges into ${message.path}`);
      if (message.notes.length) showMessage({ kind: "note", title: "", text: message.notes.join(" ") });
      showSaving();
      open(state.query ?? state.queries[0].id);
    },
    papers(message) {
      if (message.query !== state.query) return;
      const another = state.loading;
      state.loading = false;
      // A grade under way is on screen already; the kernel may not have had it when it answered.
      const earlier = new Map(another ? [] : state.papers.map((paper) => [paper.id, paper]));
      state.papers = message.papers.map((paper) => {
        const { grade, note, pending: waits } = earlier.get(paper.id) ?? {};
        return waits && pending.has(pair(message.query, paper.id)) ? { ...paper, grade, note, pending: true } : paper;
      });
      const wanted = state.papers.findIndex((paper) => paper.id === state.wanted);
      const first = state.papers.findIndex((paper) => paper.grade === null && paper.known == null);
      state.at = wanted >= 0 ? wanted : Math.max(first, 0);
      state.done = wanted < 0 && first < 0;
      if (!state.papers.length) say("The search finds no paper for this query.");
      draw();
      showNote();
    },
    saved(message) {
      const { grade, note } = message, stands = answered(pair(message.query, message.paper), { grade, note });
      const paper = shownPaper(message.query, message.paper);
      if (paper && stands) Object.assign(paper, stands, { pending: false });
      showSaving();
      if (!message.undone) { draw(); return; }
      say(message.grade === null ? "This paper has no grade now." : `The grade is ${message.grade} again.`);
      if (paper) { state.at = state.papers.indexOf(paper); draw(); showNote(); } else open(message.query, message.paper);
    },
    progress(message) {
      const query = state.queries.find((one) => one.id === message.query);
      if (query) Object.assign(query, { done: message.done, of: message.of, problem: message.problem });
      drawList();
    },
    next(message) {
      foundImpact();
      open(message.query, message.paper);
      setText(parts.reason, message.reason);
      parts.reason.hidden = false;
    },
    message(message) { foundImpact(); showMessage(message.message); },
    failed(message) {
      foundImpact();
      showMessage(message.message);
      if (message.of.type === "open" && message.of.query === state.query) { Object.assign(state, { papers: [], loading: false }); draw(); }
      if (!["grade", "retract"].includes(message.of.type)) return;
      const before = answered(pair(message.of.query, message.of.paper), null);
      const paper = shownPaper(message.of.query, message.of.paper);
      if (paper && before) { Object.assign(paper, before, { pending: false }); state.at = state.papers.indexOf(paper); }
      showSaving();
      if (!pending.size) setText(parts.saved, "Not saved");
      draw();
    },
  };
  const take = (message) => heard[message.type]?.(message);
  model.on("msg:custom", take);

  // A line that has its place already, so that nothing jumps under a person who presses keys.
  function say(text) { setText(parts.said, text); }
  function showMessage(message) { parts.message.replaceChildren(...messageBox(message)); }
  function clearMessage() { parts.message.replaceChildren(); say(""); }
  function showSaving() {
    const now = performance.now();
    const slow = [...pending.values()].some((one) => now - one.since > SLOW);
    const text = slow ? `${pending.size} not saved yet: the kernel is busy or gone` : pending.size ? "Saving…" : "All saved";
    setText(parts.saved, text);
    parts.saved.classList.toggle("wb-late", slow);
  }
  const watch = setInterval(() => { if (pending.size) showSaving(); }, 1000);

  // Keys: those of a person who types a note are the note's
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === parts.note) {
      if (event.key === "Enter" || event.key === "Escape") {
        if (event.key === "Escape") showNote(); else keepNote();
        parts.card.focus();
        event.preventDefault();
      }
      return;
    }
    const actions = {
      u: undo, r: redo, x: retract, i: impact, n: () => parts.note.focus(),
      ArrowDown: () => go(state.at + 1), ArrowUp: () => go(state.at - 1),
      ArrowRight: () => goQuery(1), ArrowLeft: () => goQuery(-1),
    };
    const number = /^[0-9]$/.test(event.key) ? Number(event.key) : null;
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (number === null && !action) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat && !event.key.startsWith("Arrow")) return;
    if (number !== null) grade(number, true); else action();
    if (number !== null || event.key.startsWith("Arrow")) parts.card.focus({ preventScroll: true });
  }
  parts.root.addEventListener("keydown", onKey);
  parts.note.addEventListener("blur", keepNote);
  parts.blind.addEventListener("change", () => {
    keepNote();
    state.wanted = current()?.id ?? null;
    tell("open", { query: state.query, blind: parts.blind.checked }); // in one: it could overtake a setting
  });
  tell("hello");
  return () => {
    release();
    clearInterval(watch);
    drawList.cancel();
    model.off("msg:custom", take);
    kernel.close();
  };
}

export default { render };
