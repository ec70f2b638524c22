// The sliders: one between BM25 and semantic, one a signal, title against body, the normaliser.

function slider(label, properties, onInput) {
  const output = h("output", { class: "wb-number" });
  const input = h("input", { type: "range", min: "0", max: "1", step: "0.01", ...properties });
  input.addEventListener("input", () => onInput(Number(input.value)));
  const element = h("label", { class: "wb-slider" }, h("span", {}, label), input, output);
  const show = (value, text) => {
    // A wish above the scale widens it, or the slider would lie.
    if (value > Number(input.max)) input.max = String(Math.ceil(value));
    if (Number(input.value) !== value) input.value = value;
    setText(output, text);
    setAttribute(input, "aria-valuetext", text);
  };
  return { element, input, show };
}

function createWeights(app) {
  const { normalisers } = app.options;
  let shape = {};
  const signals = () => app.result?.signals || Object.keys(app.settings.weights);
  const change = (weights, by) => app.reweigh({ weights }, by);

  // The weights with the main slider elsewhere.
  const at = (balance) => balanced(app.settings.weights, signals(), balance, shape);
  // What each signal of a group is of the whole group, also while the group weighs nothing.
  const shares = (group) => {
    const whole = groupWeight(shape, group);
    return group.map((name, i) => (whole ? (shape[name] || 0) / whole : i ? 0 : 1));
  };
  const main = slider("", { "aria-label": "Balance of BM25 and semantic" }, (value) =>
    change(at(value), "balance"));
  main.element.classList.add("wb-main-slider");
  main.element.firstChild.remove();
  const ends = h("div", { class: "wb-ends", "aria-hidden": "true" },
    h("span", {}, "BM25"), h("span", {}, "semantic"));

  const single = new Map();
  const singles = h("div", { class: "wb-singles" });
  function showSingles() {
    if (signals().some((signal) => !single.has(signal)) || single.size !== signals().length) {
      single.clear();
      for (const signal of signals()) {
        const key = h("span", { class: "wb-key" });
        const made = slider(signal, { "aria-label": `Weight of ${signal}` }, (value) =>
          change({ ...app.settings.weights, [signal]: value }, signal));
        made.element.firstChild.prepend(key);
        single.set(signal, { ...made, key });
      }
      singles.replaceChildren(...[...single.values()].map((made) => made.element));
    }
    for (const [signal, made] of single) {
      const weight = app.settings.weights[signal] || 0;
      made.show(weight, weight.toFixed(2));
      made.key.style.background = app.result?.colours?.[signal] ?? ""; // none before the first query
    }
  }

  const field = slider("body ↔ title", { "aria-label": "Field balance: title against body" }, (value) => {
    const { bm25 = 0, title = 0 } = app.settings.weights, total = bm25 + title || 0.5;
    change({ ...app.settings.weights, title: rounded(total * value), bm25: rounded(total * (1 - value)) }, "fields");
  });

  const normaliser = h("select", { class: "wb-select", "aria-label": "Normaliser" },
    normalisers.filter((name) => name !== "rrf").map((name) => h("option", { value: name }, name)));
  const rrf = h("input", { type: "checkbox" });
  normaliser.addEventListener("change", () => app.reweigh({ normaliser: normaliser.value }, "normaliser"));
  rrf.addEventListener("change", () =>
    app.reweigh({ normaliser: rrf.checked ? "rrf" : normaliser.value }, "normaliser"));
  const settings = h("div", { class: "wb-row" },
    h("label", { class: "wb-row" }, "normaliser", normaliser),
    h("label", { class: "wb-row", title: "Reciprocal rank fusion: 1 / (60 + rank)" }, rrf,
      "ranks only (RRF)"));

  function show() {
    const { weights } = app.settings, all = signals();
    // The proportions within a group outlast its total being 0.
    for (const group of [all.filter(isLexical), all.filter(isSemantic)])
      if (groupWeight(weights, group)) for (const name of group) shape[name] = weights[name] || 0;
    const balance = balanceOf(weights, all);
    main.show(balance, `BM25 ${(1 - balance).toFixed(2)}, semantic ${balance.toFixed(2)}`);
    showSingles();
    const lexical = (weights.bm25 || 0) + (weights.title || 0);
    const share = lexical ? (weights.title || 0) / lexical : 0;
    field.element.hidden = !all.includes("title") || !all.includes("bm25");
    field.show(share, `title ${share.toFixed(2)}`);
    rrf.checked = app.settings.normaliser === "rrf";
    normaliser.disabled = rrf.checked;
    if (!rrf.checked) normaliser.value = app.settings.normaliser;
  }

  const element = h("section", { class: "wb-weights", "aria-label": "Weights" },
    h("h3", {}, "Weights"), ends, main.element, singles,
    h("h4", {}, "Fields of BM25"), field.element, settings);
  return { element, show, at, shares };
}
