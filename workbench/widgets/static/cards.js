// Hits as cards: rank, movement, title, people, passage with marked terms, shares, details.

const IN_VIEW = 12;

function cardText(card) {
  return card.text.map(([piece, matches]) => (matches ? h("mark", {}, piece) : piece));
}

function createCard(row, app) {
  const detailsId = uniqueId("details");
  const view = {
    row,
    known: false,
    rank: h("b"),
    move: h("span", { class: "wb-move" }),
    title: h("button", {
      class: "wb-title", type: "button", dir: "auto", "aria-expanded": "false",
      "aria-controls": detailsId, onclick: () => app.toggleDetails(row),
    }),
    grade: h("span", { class: "wb-grade" }),
    actions: h("div", { class: "wb-actions" }),
    pinned: h("span", { class: "wb-pinned-rank wb-number" }),
    by: h("div", { class: "wb-by", dir: "auto" }),
    passage: h("div", { class: "wb-passage", dir: "auto" }),
    details: h("div", { class: "wb-details", id: detailsId, hidden: true }),
    score: h("span", { class: "wb-number" }),
    bar: h("div", { class: "wb-bar", role: "img" }),
  };
  view.element = h("li", {
    class: "wb-card",
    onpointerdown: () => app.choose(row),
    onmouseenter: () => app.link(row), onmouseleave: () => app.link(null),
    onfocusin: () => app.link(row), onfocusout: () => app.link(null),
  },
  h("div", { class: "wb-rank" }, view.rank, view.move, view.pinned),
  h("div", { class: "wb-body" },
    h("div", { class: "wb-heading" }, view.title), view.by, view.passage,
    h("div", { class: "wb-foot" }, view.grade, view.actions), view.details),
  h("div", { class: "wb-score" }, view.score, view.bar));
  view.element.dataset.row = row;
  // Whose card it is is known at once; until its texts are there it goes by the id.
  view.element.dataset.paper = app.paperOf(row);
  setText(view.title, app.paperOf(row));
  return view;
}

// What never changes while a result stands: filled once, as soon as the texts are there.
function fillCard(view, card, app) {
  if (view.known || !card) return;
  view.known = true;
  setText(view.title, card.title || card.id);
  setText(view.by, [card.by, card.place, card.id].filter(Boolean).join(" · "));
  view.passage.replaceChildren(...cardText(card));
  view.actions.replaceChildren(...cardActions(card, app));
  showGrade(view, card.id, app);
}

function cardActions(card, app) {
  const copy = h("button", { class: "wb-small wb-alone", type: "button", title: card.citation, onclick: async () => {
    setText(copy, (await copyText(card.citation)) ? "Copied" : "Not copied");
  } }, "Cite");
  const like = h("button", { class: "wb-small", type: "button", title: "Search with this paper's title",
    onclick: () => app.ask(card.title || card.id) }, "More like this");
  return [
    ...card.links.map(([name, url]) => h("a", { class: "wb-small", href: url, target: "_blank", rel: "noopener noreferrer" }, name)),
    copy, like,
  ];
}

// Where the paper stands in A, that was pinned.
function showPinned(view, app, paper) {
  const ranks = app.pinned?.here && app.pinned.ranks;
  setText(view.pinned, !ranks ? "" : ranks[paper] ? `A ${ranks[paper]}` : "not in A");
}

function showMove(view, before, rank, first) {
  let text = "", label = "", kind = "";
  if (first) text = "";
  else if (before === undefined) [text, label, kind] = ["new", "new", "wb-up"];
  else if (before > rank) [text, label, kind] = [`▲${before - rank}`, `up ${before - rank}`, "wb-up"];
  else if (before < rank)
    [text, label, kind] = [`▼${rank - before}`, `down ${rank - before}`, "wb-down"];
  setText(view.move, text);
  if (view.moveLabel !== label) {
    view.moveLabel = label;
    for (const [name, value] of [["aria-label", label], ["role", "img"]])
      if (label) view.move.setAttribute(name, value); else view.move.removeAttribute(name);
    view.move.className = `wb-move ${kind}`;
  }
}

function showShares(view, app, score, parts) {
  const { signals, colours } = app.result, stripes = [], spoken = [];
  let from = 0;
  setText(view.score, score.toFixed(Math.abs(score) < 0.1 ? 4 : 3));
  parts.forEach(({ share }, c) => {
    if (!share) return;
    const to = from + 100 * share;
    stripes.push(`${colours[signals[c]]} ${from.toFixed(2)}% ${to.toFixed(2)}%`);
    spoken.push(`${signals[c]} ${(100 * share).toFixed(0)} %`);
    from = to;
  });
  const stripe = stripes.join();
  if (view.stripe === stripe) return;
  view.stripe = stripe;
  // A background is painted only, where parts of their own would be laid out at every move.
  view.bar.style.backgroundImage = stripe && `linear-gradient(to right, ${stripe})`;
  view.bar.title = spoken.join(", ");
  setAttribute(view.bar, "aria-label", view.bar.title || "no signal counts");
}

// The hits as they stand on screen: best first; by year, papers without one last; or blind, in an
// order that says nothing of the rank.
function arranged(app, rows) {
  if (app.blind) return [...rows].sort((a, b) => scramble(app.paperOf(a)) - scramble(app.paperOf(b)));
  if (!app.years) return rows;
  const year = (row) => app.cards.get(row)?.year || app.years * Infinity;
  return [...rows].sort((a, b) => (year(a) === year(b) ? 0 : app.years * (year(a) - year(b))));
}

// While weights move, on screen only, and quickly: `order` moves a card without laying out its texts
// anew, which takes most of a frame, and a card that goes stays in the list, unseen.
function placeCards(list, wanted) {
  const there = new Set(wanted);
  for (const card of list.children) if (!there.has(card)) card.classList.replace("wb-card", "wb-away");
  wanted.forEach((card, place) => {
    card.classList.replace("wb-away", "wb-card");
    if (card.style.order !== String(place)) card.style.order = place;
    if (card.parentNode !== list) list.append(card);
  });
}

// For good: what is read aloud, and where Tab goes, follows what is seen.
function arrangeCards(list, wanted) {
  for (const card of list.children) card.style.order = "";
  for (const card of wanted) card.classList.replace("wb-away", "wb-card");
  arrangeChildren(list, wanted);
}

// The list as `rows` say; cards that stay are moved, not made anew.
function showCards(app, rows, scores) {
  const { views, cards, weightsInOrder } = app;
  const missing = [], elements = [], ranks = new Map(rows.map((row, i) => [row, i + 1]));
  for (const row of arranged(app, rows)) {
    let view = views.get(row);
    if (!view) views.set(row, (view = createCard(row, app)));
    const card = cards.get(row);
    if (card) fillCard(view, card, app);
    else missing.push(row);
    setText(view.rank, String(ranks.get(row)));
    showMove(view, app.baseline.get(app.paperOf(row)), ranks.get(row), !app.baseline.size);
    showShares(view, app, scores[row], partsOf(app.columns, weightsInOrder(), row));
    showPinned(view, app, app.paperOf(row));
    view.element.classList.toggle("wb-deep", elements.push(view.element) > IN_VIEW);
  }
  app.laidOut(elements);
  return missing;
}

// Terms that the passage lacks, or that weigh nothing, are counted and folded away.
function detailsTable(details, colours) {
  const head = ["signal", "value", "normalised", "weight", "contribution"];
  const line = (row) => row.term
    ? h("tr", { class: "wb-term" }, h("td", {}, row.term), h("td", {}, row.value), h("td"), h("td"),
      h("td"))
    : h("tr", {}, h("td", {},
      h("span", { class: "wb-key", style: { background: colours[row.signal] } }), row.signal),
    h("td", {}, row.value), h("td", {}, row.normalised), h("td", {}, row.weight),
    h("td", {}, row.contribution));
  const rows = [];
  let nothing = [];
  const fold = () => {
    if (nothing.length) rows.push(h("tr", { class: "wb-term" }, h("td", { colspan: "5" },
      `nothing from ${nothing.join(", ")}`)));
    nothing = [];
  };
  for (const row of details.rows) {
    if (!row.term) fold();
    if (row.nothing) nothing.push(row.term); else rows.push(line(row));
  }
  fold();
  return h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows),
    h("tfoot", {}, h("tr", {}, h("td", {}, "score"), h("td"), h("td"), h("td"),
      h("td", {}, h("b", {}, details.score)))));
}

function fillDetails(view, details, app) {
  const copy = h("button", { class: "wb-button wb-alone", type: "button" }, "Copy BibTeX");
  copy.addEventListener("click", async () => {
    const done = await copyText(details.bibtex);
    setText(copy, done ? "Copied" : "Select the text below");
    bibtex.hidden = false;
  });
  const bibtex = h("pre", { class: "wb-code", hidden: true, tabindex: "0" }, details.bibtex);
  const links = details.links.map(([name, url]) =>
    h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, name));
  view.details.replaceChildren(...[
    details.abstract && h("h4", {}, "Abstract"),
    details.abstract && h("p", { dir: "auto" }, details.abstract),
    h("h4", {}, `Passages (${details.passages.length})`),
    h("ol", { class: "wb-passages" }, details.passages.map((passage) =>
      h("li", { dir: "auto", class: passage.best ? "wb-best" : "" },
        h("span", { class: "wb-soft wb-number" }, passage.scores), " ", cardText(passage)))),
    h("h4", {}, "Why it stands here"), detailsTable(details, app.result.colours),
    h("div", { class: "wb-row" }, copy, links), bibtex].filter(Boolean));
}
