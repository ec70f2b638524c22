// The judging widget's elements and what is drawn into them.

const KEYS = [
  ["0 1 2 3", "grade"], ["X", "take the grade back"], ["U", "undo"], ["R", "redo"], ["N", "note"],
  ["↑ ↓", "paper"], ["← →", "query"], ["I", "next by impact"],
];

function makeJudging(send) {
  const parts = {
    message: h("div"),
    saved: h("span", { class: "wb-saved wb-soft", role: "status" }, "Waiting for the kernel."),
    total: h("span", { class: "wb-soft wb-number" }),
    bar: h("progress", { class: "wb-progress", "aria-label": "Judged of all", max: "1", value: "0" }),
    queries: h("ol", { class: "wb-queries", "aria-label": "Queries" }),
    query: h("h3", { class: "wb-query", dir: "auto" }),
    squares: h("div", { class: "wb-squares", role: "group", "aria-label": "Papers of this query" }),
    card: h("article", { class: "wb-card", tabindex: "0", "aria-label": "Paper to judge", "aria-live": "polite" }),
    grades: h("div", { class: "wb-grades", role: "group", "aria-label": "Grade" }),
    note: h("input", { class: "wb-input wb-note-input", type: "text", maxlength: "2000", placeholder: "Note (N): why this grade", "aria-label": "Note" }),
    reason: h("div", { class: "wb-reason", role: "status", hidden: true }),
    who: h("span", { class: "wb-soft wb-who" }),
    said: h("div", { class: "wb-said", role: "status" }),
    blind: h("input", { type: "checkbox" }),
  };
  const button = (text, title, onclick) => h("button", { class: "wb-button", type: "button", title, onclick }, text);
  parts.undo = button("Undo", "U", () => send("undo"));
  parts.impact = button("Judge next by impact", "I", () => send("impact"));
  parts.retract = button("Take back", "X: this paper counts as not judged", () => send("retract"));
  const head = h("div", { class: "wb-judge-head" }, parts.bar, parts.total, parts.saved,
    h("label", { class: "wb-blind" }, parts.blind, " Blind"), parts.impact, parts.undo);
  const keys = h("div", { class: "wb-keys wb-soft" },
    KEYS.map(([key, what]) => h("span", {}, h("kbd", {}, key), ` ${what}`)));
  const side = h("nav", { class: "wb-side", "aria-label": "Queries" }, parts.queries);
  const main = h("div", { class: "wb-main" }, parts.query, parts.reason, parts.squares, parts.grades, parts.said,
    h("div", { class: "wb-note-row" }, parts.note, parts.retract), parts.card, keys, parts.who);
  parts.root = h("div", { class: "wb wb-judging", role: "region", "aria-label": "Judging", "data-lm-suppress-shortcuts": "true" },
    parts.message, head, h("div", { class: "wb-columns" }, side, main));
  return parts;
}

function pieces(list) {
  return list.map(([text, matched]) => (matched ? h("mark", {}, text) : text));
}

function badgeText(query, left) {
  if (query.problem) return "not searched";
  if (left === null) return "…";
  if (!query.of) return "no paper";
  return left ? `${left} left` : "✓ done";
}

function drawQueries(parts, state, open) {
  if (parts.queries.childElementCount !== state.queries.length) {
    parts.queries.replaceChildren(...state.queries.map((query) => h("li", {},
      h("button", { class: "wb-query-button", type: "button", "data-query": query.id, onclick: () => open(query.id) },
        h("span", { class: "wb-query-text", dir: "auto" }, query.text), h("span", { class: "wb-badge" })))));
  }
  [...parts.queries.children].forEach((item, i) => {
    const query = state.queries[i];
    const button = item.firstElementChild;
    setAttribute(button, "aria-current", String(query.id === state.query));
    const badge = button.lastElementChild;
    const left = query.of === undefined ? null : query.of - query.done;
    setText(badge, badgeText(query, left));
    setAttribute(badge, "title", query.problem ?? "");
    badge.className = `wb-badge${query.of && left === 0 ? " wb-done" : left === query.of ? " wb-untouched" : ""}`;
  });
  const known = state.queries.filter((query) => query.of !== undefined);
  const done = known.reduce((sum, query) => sum + query.done, 0);
  const of = known.reduce((sum, query) => sum + query.of, 0);
  parts.bar.max = Math.max(of, 1);
  parts.bar.value = done;
  setText(parts.total, known.length < state.queries.length
    ? `${done} judged · ranking ${known.length} of ${state.queries.length} queries`
    : `${done} of ${of} judged`);
}

function drawSquares(parts, state, go) {
  parts.squares.replaceChildren(...state.papers.map((paper, i) => {
    const own = paper.grade !== null, known = paper.known ?? null;
    const grade = own ? String(paper.grade) : known !== null ? String(known) : "";
    const what = own ? `graded ${grade}` : grade ? `graded ${grade} in the judgments given` : "not judged";
    return h("button", {
      class: `wb-square wb-grade-${grade || "none"}${paper.pending ? " wb-pending" : ""}${!own && grade ? " wb-known" : ""}`, type: "button",
      tabindex: "-1", "aria-current": String(i === state.at), "aria-label": `Paper ${i + 1}, ${what}`,
      onclick: () => go(i),
    }, grade || "·");
  }));
}

function drawCard(parts, state, grade) {
  const paper = state.papers[state.at];
  parts.card.hidden = !paper;
  parts.grades.hidden = !paper;
  if (!paper) return;
  if (parts.grades.childElementCount !== state.grades.length) {
    parts.grades.replaceChildren(...state.grades.map((word, number) => h("button", {
      class: "wb-button wb-grade-button", type: "button", "data-grade": String(number), onclick: () => grade(number),
    }, h("kbd", {}, String(number)), ` ${word}`)));
  }
  [...parts.grades.children].forEach((button, number) => setAttribute(button, "aria-pressed", String(paper.grade === number)));
  parts.retract.disabled = paper.grade === null;
  const ranks = Object.entries(paper.ranks).map(([arm, rank]) => `${arm} #${rank}`).join(" · ");
  const key = `${state.query}/${paper.id}/${ranks}`;
  if (parts.card.key !== key) {
    parts.card.key = key;
    parts.card.replaceChildren(
      h("div", { class: "wb-card-title", dir: "auto" }, pieces(paper.title)),
      h("div", { class: "wb-soft", dir: "auto" }, paper.by),
      ranks ? h("div", { class: "wb-soft wb-ranks" }, ranks) : "",
      paper.known != null ? h("div", { class: "wb-soft" }, `The judgments given say ${paper.known}.`) : "",
      h("p", { class: "wb-card-text", dir: "auto" }, paper.text.length ? pieces(paper.text) : h("i", {}, "No abstract.")),
      paper.cut ? h("div", { class: "wb-soft" }, `${paper.cut.toLocaleString()} further characters are not shown.`) : "",
    );
    parts.card.scrollTop = 0;
  }
}
