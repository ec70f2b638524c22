// The query's analysed terms as chips to mute, boost and require, and terms to add.

const FACTORS = [1, 2, 3, 0.5];

function without(list, word) {
  return (list || []).filter((other) => other !== word);
}

function withoutKey(mapping, word) {
  const { [word]: _, ...rest } = mapping || {};
  return rest;
}

function createChips(app) {
  const chips = h("div", { class: "wb-chips" });
  let all = false;
  const fold = h("button", { class: "wb-small wb-fold", type: "button", tabindex: "-1", onclick: () => { all = !all; showFold(); } });
  // Two rows of chips; the others on demand.
  function showFold() {
    chips.classList.toggle("wb-folded", !all);
    const hidden = chips.scrollHeight > chips.clientHeight + 4;
    fold.hidden = !all && !hidden;
    setText(fold, all ? "Fewer terms" : "All terms");
  }
  // When all else is in its place: asking for sizes earlier lays the page out twice.
  const fit = oncePerFrame(showFold);
  const sizes = new ResizeObserver(() => { if (!all) showFold(); });
  sizes.observe(chips);
  const element = h("div", { role: "toolbar", "aria-label": "Terms of the query" }, chips, fold);
  const settle = rove(element);
  const adder = h("input", {
    class: "wb-input wb-adder", type: "text", placeholder: "add a term", "aria-label": "Add a term",
    size: "10",
  });
  adder.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !adder.value.trim()) return;
    const words = adder.value.trim().split(/\s+/);
    adder.value = "";
    change(`Added ${words.join(", ")}`, { add: { ...edits().add, ...Object.fromEntries(words.map((word) => [word, 0.5])) } });
  });
  const edits = () => app.settings.edits || {};
  const change = (what, changes) => app.edit(what, { ...edits(), ...changes });

  function action(text, label, pressed, work) {
    return h("button", {
      class: "wb-chip-action", type: "button", title: label, "aria-label": label,
      "aria-pressed": pressed === undefined ? undefined : String(pressed), onclick: work,
    }, text);
  }

  function ownActions(term) {
    const { mute = [], boost = {}, require = [] } = edits(), key = term.term, word = term.word;
    const muted = term.state === "muted", next = FACTORS[(FACTORS.indexOf(term.factor) + 1) % 4];
    const boosted = withoutKey(boost, key);
    if (next !== 1) boosted[key] = next;
    return [
      action(muted ? "muted" : "mute", `Mute ${word}`, muted, () => muted
        ? change(`Unmuted ${word}`, { mute: without(mute, key) })
        : change(`Muted ${word}`, { mute: [...mute, key] })),
      muted ? null : action(`×${term.factor}`, `Weight of ${word}: ${term.factor}; make it ${next}`,
        undefined, () => change(`${word} ×${next}`, { boost: boosted })),
      action(term.required ? "required" : "require", `Require ${word}`, term.required,
        () => term.required
          ? change(`${word} no longer required`, { require: without(require, key) })
          : change(`Required ${word}`, { require: [...require, key] })),
    ];
  }

  function addedActions(term) {
    const { add = {}, require = [] } = edits(), key = term.word;
    return [action("remove", `Remove ${key}`, undefined, () =>
      change(`Removed ${key}`, { add: withoutKey(add, key), require: without(require, term.term) }))];
  }

  function chip(term) {
    const facts = `idf ${term.idf.toFixed(1)} · ${term.papers.toLocaleString("en")}`;
    const about = `${term.word}: in ${term.papers} of ${term.of} passages, idf ${term.idf.toFixed(2)}`;
    const kind = `wb-chip wb-${term.state}${term.required ? " wb-required" : ""}`;
    const element = h("span", { class: kind, role: "group", "aria-label": about },
      h("span", { class: "wb-chip-word", dir: "auto", title: about }, term.word),
      h("span", { class: "wb-soft wb-number" }, facts),
      term.state === "added" ? addedActions(term) : ownActions(term));
    element.dataset.term = term.term;
    return element;
  }

  function suggestion(found) {
    const label = `Add ${found.word}, from the top hits (in ${found.papers} passages)`;
    return h("button", {
      class: "wb-suggestion", type: "button", title: label, "aria-label": label,
      onclick: () => change(`Added ${found.word}`, { add: { ...edits().add, [found.word]: 0.5 } }),
    }, `+ ${found.word}`);
  }

  function show(result) {
    // The button that was pressed is made anew: whoever came with the keyboard stays on it.
    const focused = chips.contains(document.activeElement) && document.activeElement;
    const place = focused && [...chips.querySelectorAll("button, input")].indexOf(focused);
    const suggestions = result.suggestions || [];
    chips.replaceChildren(...(result.terms || []).map(chip), adder,
      ...(suggestions.length
        ? [h("span", { class: "wb-soft" }, "the top hits suggest"), ...suggestions.map(suggestion)]
        : []));
    if (focused) (chips.querySelectorAll("button, input")[place] || adder).focus();
    fit();
    settle();
  }

  return { element, show, stop: () => { fit.cancel(); sizes.disconnect(); } };
}
