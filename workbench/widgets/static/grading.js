// Grading on the cards: 0 to 3 by key or click, saved at once, and what would help most marked.

const GRADES = ["not relevant", "related", "relevant", "exactly it"];

// A number that says nothing of a paper's rank, the same each time.
function scramble(text) {
  let mixed = 2166136261;
  for (const letter of text) mixed = Math.imul(mixed ^ letter.codePointAt(0), 16777619);
  return mixed >>> 0;
}

function showGrade(view, paper, app) {
  const grades = app.result.grades;
  if (!grades) { view.grade.replaceChildren(); return; }
  const grade = grades[paper], hidden = app.blind && !app.mine.has(paper);
  if (!app.options.grading) {
    setText(view.grade, grade === undefined ? "not judged" : `grade ${grade}`);
    view.grade.classList.toggle("wb-good", grade > 0);
    return;
  }
  if (!view.gradeButtons) {
    view.gradeButtons = GRADES.map((word, number) => h("button", {
      class: "wb-grade-button", type: "button", title: `${number}: ${word}`,
      "aria-label": `Grade ${number}, ${word}`, onclick: () => app.grade(view.row, number),
    }, String(number)));
    view.gradeNote = h("span", { class: "wb-soft" });
    view.grade.replaceChildren(...view.gradeButtons, view.gradeNote);
    view.grade.setAttribute("role", "group");
    view.grade.setAttribute("aria-label", "Grade");
  }
  view.gradeButtons.forEach((button, number) =>
    setAttribute(button, "aria-pressed", String(!hidden && grade === number)));
  const pending = app.pending.has(paper), wanted = app.suggested.get(paper);
  setText(view.gradeNote, pending ? "saving…" : hidden || grade === undefined ? wanted ? "judge next" : "" : GRADES[grade] || `grade ${grade}`);
  view.element.classList.toggle("wb-suggested", Boolean(wanted) && grade === undefined);
  view.gradeNote.title = wanted || "";
}

function addGrading(app, root) {
  app.mine = new Set();
  app.undoable = app.redoable = 0; // grades given, and of these taken back, since the last change of settings
  app.pending = new Map();
  app.suggested = new Map();
  app.blind = false;
  app.chosen = null;
  const viewOf = (paper) => [...app.views.values()].find((view) => app.paperOf(view.row) === paper);
  const refresh = (paper) => { const view = viewOf(paper); if (view?.known) showGrade(view, paper, app); };

  app.choose = (row) => {
    if (app.chosen !== null) app.views.get(app.chosen)?.element.classList.remove("wb-chosen");
    app.chosen = row;
    app.views.get(row)?.element.classList.add("wb-chosen");
  };
  app.grade = (row, grade) => {
    if (app.gone || !app.options.grading || !app.result?.grades) return;
    const paper = app.paperOf(row), before = app.result.grades[paper];
    app.choose(row);
    if (!app.pending.has(paper)) app.pending.set(paper, before);
    app.mine.add(paper);
    if (grade === null) delete app.result.grades[paper]; else app.result.grades[paper] = grade;
    app.undoable++;
    app.redoable = 0;
    app.send({ type: "grade", query: app.result.query, paper, grade });
    refresh(paper);
  };
  // What stands in the file, whether the grade was written or could not be.
  app.takeGrade = ({ query, paper, grade, failed, undone }) => {
    if (failed) app.undoable = Math.max(0, app.undoable - 1);
    if (!app.result?.grades || app.result.query !== query) return;
    if (failed) grade = app.pending.has(paper) ? app.pending.get(paper) : app.result.grades[paper];
    app.pending.delete(paper);
    if (grade === null || grade === undefined) delete app.result.grades[paper];
    else app.result.grades[paper] = grade;
    refresh(paper);
    const view = undone && viewOf(paper);
    if (view?.element.isConnected) goTo(view.element);
  };
  // Back before what was done last: a grade, or else the step.
  app.undo = () => {
    if (!app.undoable) { app.move({ type: "undo" }); return; }
    app.undoable--;
    app.redoable++;
    app.send({ type: "ungrade" });
  };
  app.redo = () => {
    if (!app.redoable) { app.move({ type: "redo" }); return; }
    app.redoable--;
    app.undoable++;
    app.send({ type: "regrade" });
  };
  app.takeSuggestions = (rows) => {
    app.suggested = new Map(rows.filter((row) => row.query === app.result?.query)
      .map((row) => [row.paper, row.reason]));
    for (const view of app.views.values()) refresh(app.paperOf(view.row));
    const elsewhere = rows.find((row) => row.query !== app.result?.query);
    return { here: app.suggested.size, elsewhere };
  };
  app.setBlind = (blind) => {
    app.blind = blind;
    root.classList.toggle("wb-blind", blind);
    for (const view of app.views.values()) refresh(app.paperOf(view.row));
    app.showOrder();
  };

  // Keys in the list, or anywhere in the panel where nothing is typed.
  function rowUnder(event) {
    const card = event.target.closest?.(".wb-card");
    return card ? Number(card.dataset.row) : app.chosen;
  }
  function next(row, way) {
    const cards = [...app.list.children], at = cards.findIndex((card) => Number(card.dataset.row) === row);
    return cards[at + way];
  }
  function goTo(card) {
    if (!card) { app.choose(null); return; }
    app.choose(Number(card.dataset.row));
    card.scrollIntoView({ block: "nearest" });
    card.querySelector(".wb-title").focus({ preventScroll: true });
  }
  root.addEventListener("keydown", (event) => {
    if (event.altKey || event.target.matches("input, select, textarea, canvas, pre")) return;
    const typed = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && typed === "z") {
      if (event.shiftKey) app.redo(); else app.undo();
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.target.closest("[role=toolbar]")) return;
    const row = rowUnder(event);
    app.rest(); // the cards are in the list as they are on screen
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const way = event.key === "ArrowDown" ? 1 : -1;
      const card = row === null ? app.list.children[0] : next(row, way);
      if (card) goTo(card);
      event.preventDefault();
      return;
    }
    const grade = /^[0-3]$/.test(event.key) ? Number(event.key) : typed === "x" ? null : undefined;
    if (grade === undefined || event.repeat) return;
    event.preventDefault();
    // After the last card a further key grades nothing.
    if (row === null || !app.views.get(row)?.element.isConnected) return;
    app.grade(row, grade);
    if (grade !== null) goTo(next(row, 1));
  });
}
