// The steps that led here: undo, redo, going back, names, files; and A against what is on screen.

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
const EXPORTS = [[".py", "cell (.py)"], [".toml", "profile (.toml)"], [".csv", "papers (.csv)"],
  [".bib", "papers (.bib)"], [".ris", "papers (.ris)"], [".json", "papers (.json)"], [".html", "page (.html)"]];

function createSteps(app) {
  const button = (text, title, onclick) => h("button", { class: "wb-button", type: "button", title, onclick }, text);
  const undo = button("Undo", "The step before; Ctrl+Z right after a grade takes the grade back", () => app.move({ type: "undo" }));
  const redo = button("Redo", "The step after; Ctrl+Shift+Z right after a grade was taken back gives it again", () => app.move({ type: "redo" }));
  const pin = button("Pin as A", "Keep this as A and go on as B", () => app.send({ type: app.pinned?.ranks ? "unpin" : "pin" }));
  const back = button("Back to A", "Go to the step that is pinned", () => app.move({ type: "go", step: app.pinned.step }));
  back.hidden = true;
  back.tabIndex = -1;
  const strip = h("ol", { class: "wb-strip", "aria-label": "Steps" });
  const name = h("input", { class: "wb-input", type: "text", maxlength: "200", "aria-label": "Name of this step", placeholder: "name this step", size: "16" });
  const ending = h("select", { class: "wb-select", "aria-label": "Export this step" },
    [h("option", { value: "" }, "Export…"), ...EXPORTS.map(([value, text]) => h("option", { value }, text))]);
  const bar = h("div", { class: "wb-steps-bar", role: "toolbar", "aria-label": "Steps" }, undo, redo, strip, pin, back);
  const more = h("div", { class: "wb-row" }, name, ending);
  const versus = h("div", { class: "wb-versus", role: "status" });
  const settle = rove(bar);
  let current = null, at = -1, count = 0;
  name.addEventListener("change", () => {
    if (current && name.value.trim()) app.send({ type: "rename", step: current, name: name.value });
    name.value = "";
  });
  ending.addEventListener("change", () => {
    if (ending.value) app.send({ type: "export", ending: ending.value });
    ending.value = "";
  });

  function chip(step, current) {
    const value = step.value === null ? "" : step.value.toFixed(3);
    const change = step.difference ? ` ${signed(step.difference)}` : "";
    const go = h("button", { class: `wb-step${step.difference > 0 ? " wb-better" : step.difference < 0 ? " wb-worse" : ""}`,
      type: "button", "aria-current": current ? "step" : undefined, title: `Step ${step.number}: ${step.name}, for “${step.query}”`,
      onclick: () => app.move({ type: "go", step: step.number }) },
    h("span", { class: "wb-step-name", dir: "auto" }, step.name), value ? h("span", { class: "wb-number wb-soft" }, value + change) : null);
    return h("li", {}, go);
  }
  // A step that is as it was keeps its chip.
  const chips = new Map();
  function chipOf(step, current) {
    const key = JSON.stringify([step, current]);
    if (chips.get(step.number)?.key !== key) chips.set(step.number, { key, element: chip(step, current) });
    return chips.get(step.number).element;
  }
  // Of many steps the kernel keeps the first, the named and the last.
  function gap(before, step) {
    const lost = before ? step.number - before.number - 1 : 0;
    return lost ? [h("li", { class: "wb-soft", title: `${lost} steps between are no longer kept` }, "…")] : [];
  }
  function show(sent) {
    const { steps = [] } = sent;
    stand({ at: sent.at ?? -1, steps: steps.length, step: steps[sent.at]?.number });
    app.metric = sent.metric;
    const focused = strip.contains(document.activeElement);
    const numbers = new Set(steps.map((step) => step.number));
    for (const number of [...chips.keys()]) if (!numbers.has(number)) chips.delete(number);
    arrangeChildren(strip, steps.flatMap((step, i) => [...gap(steps[i - 1], step), chipOf(step, i === at)]));
    settle();
    const now = reveal();
    if (focused) now?.focus({ preventScroll: true });
    bar.dataset.at = at;
  }
  // Where the panel stands; while weights move, the strip itself comes when they rest.
  function stand(sent) {
    [at, count, current] = [sent.at, sent.steps, sent.step];
    able();
  }
  // The step we are at is in view, also where the strip was hidden or wider when it came.
  function reveal() {
    const now = strip.querySelector("[aria-current]");
    if (!now) return now;
    const start = now.offsetLeft - strip.offsetLeft; // one wider than the strip is read from its start
    strip.scrollLeft = Math.min(start, start - strip.clientWidth / 2 + now.offsetWidth / 2);
    return now;
  }
  const sizes = new ResizeObserver(reveal);
  sizes.observe(strip);
  function able() {
    undo.disabled = at <= 0;
    redo.disabled = at >= count - 1;
  }
  // What was done just now will be a step: it can be undone before the kernel has answered, and what
  // was undone before is gone.
  function foresee() {
    if (at < 0) return;
    undo.disabled = false;
    redo.disabled = true;
  }

  const interval = ([mean, low, high]) => `${mean.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
  function verdict({ all }) {
    if (!all) return [];
    const [mean, low, high] = all.difference;
    const sure = low > 0 ? "B is better" : high < 0 ? "A is better" : "no difference that chance could not make";
    return [h("div", {}, `Over ${all.queries} judged queries: A ${interval(all.a)}, B ${interval(all.b)}. `,
      h("b", {}, `B − A ${signed(mean)} [${signed(low)}, ${signed(high)}], p ${all.p < 0.001 ? "< .001" : all.p.toFixed(3)}: ${sure}.`))];
  }
  function showPin(pinned) {
    app.pinned = pinned.ranks ? pinned : null;
    setText(pin, app.pinned ? "Unpin A" : "Pin as A");
    setAttribute(pin, "aria-pressed", String(Boolean(app.pinned)));
    back.hidden = versus.hidden = !app.pinned;
    if (app.pinned) {
      const value = (number) => (number === null ? "" : `, ${app.metric} ${number.toFixed(4)}`);
      versus.replaceChildren(
        h("div", {}, h("b", {}, "A"), ` ${pinned.name}${value(pinned.value)}; `, h("b", {}, "B"), ` what is on screen${value(pinned.now)}`,
          pinned.same ? ", with A's settings" : "", pinned.here ? "" : "; A answers another query",
          pinned.rbo === null ? "." : `; RBO ${pinned.rbo.toFixed(3)}, ${pinned.shared} papers in both.`),
        ...verdict(pinned));
    }
    settle();
    app.showOrder();
  }
  return { bar, more, versus, show, showPin, stand, foresee, settle: able, stop: () => sizes.disconnect() };
}
