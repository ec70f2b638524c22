// The query box, the filters, the code: what a person types and takes away.

function createQueryBox(app) {
  const listId = uniqueId("queries"), known = h("datalist", { id: listId });
  const box = h("input", {
    class: "wb-input wb-query", type: "search", dir: "auto", "aria-label": "Query", list: listId,
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
    app.set({ query: box.value }, "query");
  }
  box.addEventListener("input", () => { ahead(); search(); });
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") ask(); });
  const show = () => {
    if (document.activeElement !== box) setValue(box, app.settings.query || "");
  };
  // Queries asked before, and those that are judged.
  const offer = (steps) => {
    const texts = new Set([...steps.map((step) => step.query).reverse(), ...app.options.queries]);
    if (known.childElementCount !== texts.size)
      known.replaceChildren(...[...texts].filter(Boolean).map((text) => h("option", { value: text })));
  };
  app.ask = (text) => { box.value = text; ask(); };
  const element = h("div", {}, box, known);
  return { element, box, show, offer, stop: () => { ahead.cancel(); search.cancel(); } };
}

function createFilters(app) {
  const pause = afterPause(TYPING.filter, () => change());
  const field = (kind, label, properties) => {
    const listId = uniqueId(kind), known = h("datalist", { id: listId });
    const input = h("input", { class: "wb-input", "aria-label": label, placeholder: label, list: listId, autocomplete: "off", ...properties });
    input.addEventListener("input", () => { pause(); if (NAMED.includes(kind)) wish(kind, input); });
    input.addEventListener("focus", () => { if (NAMED.includes(kind)) wish(kind, input); });
    input.addEventListener("change", () => change());
    return { kind, input, known };
  };
  const NAMED = ["venue", "author", "field"];
  const wish = afterPause(120, (kind, input) => app.send({ type: "names", kind, text: input.value }));
  const first = field("first", "year from", { type: "text", inputmode: "numeric", size: "7" });
  const last = field("last", "year to", { type: "text", inputmode: "numeric", size: "7" });
  const venue = field("venue", "venue", { type: "text", size: "11" });
  const author = field("author", "author", { type: "text", size: "13" });
  const topic = field("field", "field", { type: "text", size: "11" });
  const all = [first, last, venue, author, topic], named = { venue, author, field: topic };
  function change() {
    pause.cancel();
    const year = (one) => one.input.value.trim() || null;
    const filters = { year: [year(first), year(last)], venue: venue.input.value,
      author: author.input.value, field: topic.input.value };
    // The kernel gives years back as numbers.
    const plain = (one) => JSON.stringify({ ...one, year: (one.year || [null, null]).map((y) => (y === null ? null : String(y))) });
    if (plain(filters) === plain({ venue: "", author: "", field: "", ...app.settings.filters })) {
      app.showMessage(null); // what was refused is taken back
      return;
    }
    app.what = "";
    app.set({ filters }, "filters");
  }
  const clear = h("button", { class: "wb-button", type: "button", onclick: () => {
    for (const one of all) one.input.value = "";
    change();
  } }, "Clear filters");
  const element = h("div", { class: "wb-row wb-filters", role: "group", "aria-label": "Filters" },
    all.map((one) => [one.input, one.known]).flat(), clear);
  const show = () => {
    const { year = [null, null], venue: v = "", author: a = "", field: f = "" } = app.settings.filters || {};
    const values = [[first, year[0]], [last, year[1]], [venue, v], [author, a], [topic, f]];
    for (const [{ input }, value] of values)
      if (document.activeElement !== input) setValue(input, String(value ?? ""));
    clear.hidden = !values.some(([, value]) => value !== null && value !== "");
  };
  // Names as they are offered while typing: after the last semicolon.
  const take = ({ kind, names }) => {
    const { input, known } = named[kind], before = input.value.replace(/[^;]*$/, "");
    known.replaceChildren(...names.map(({ name, count }) =>
      h("option", { value: `${before ? `${before} ` : ""}${name}` }, `${name} (${count})`)));
  };
  app.instead = (hint) => {
    const { input } = named[hint.kind];
    input.value = hint.name;
    change();
  };
  return { element, show, take, stop: () => { pause.cancel(); wish.cancel(); } };
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
  const code = h("pre", { class: "wb-code", hidden: true, tabindex: "0", role: "region", "aria-label": "Code of this state" });
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
  return { button, said, code, take, hide };
}
