// The ask panel: the question goes to the kernel; stages, quotes and sentences come as they are made.

const choice = (name, label, values, spoken, change) => {
  const select = h("select", { class: "wb-select", "aria-label": label, title: label, onchange: change },
    values.map((value) => h("option", { value: String(value) }, spoken(value))));
  return select;
};

function createForm(app) {
  const { options } = app;
  const box = h("input", { class: "wb-input wb-query", type: "search", dir: "auto", "aria-label": "Question",
    placeholder: "What do you want to know?", autocomplete: "off", spellcheck: "false" });
  const writer = choice("writer", "Writer", options.writers, (v) => `writer: ${v}`);
  const profile = choice("profile", "Profile", options.profiles, (v) => `profile: ${v}`);
  const words = choice("words", "Words that are quoted at most", options.words, (v) => `${v} words`);
  const ask = () => {
    if (!box.value.trim()) { box.focus(); return; }
    app.tell({ type: "ask", question: box.value, writer: writer.value, profile: profile.value, words: Number(words.value) });
  };
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); ask(); } });
  const go = h("button", { class: "wb-button wb-primary", type: "button", onclick: ask }, "Ask");
  const stop = h("button", { class: "wb-button", type: "button", hidden: true, onclick: () => app.tell({ type: "stop" }) }, "Stop");
  const show = (settings) => {
    for (const [field, value] of [[box, settings.question], [writer, settings.writer], [profile, settings.profile], [words, settings.words]])
      if (document.activeElement !== field) field.value = String(value ?? "");
  };
  const running = (on) => { stop.hidden = !on; };
  return { show, running, element: h("div", { class: "wb-form", role: "group", "aria-label": "Ask" },
    h("div", { class: "wb-row wb-line" }, box, go, stop), h("div", { class: "wb-row" }, writer, profile, words)) };
}

// Stages for the eye, a sentence for the ear: a screen reader hears what changed, not every count.
function createProgress() {
  const list = h("ol", { class: "wb-stages", "aria-hidden": "true" });
  const spoken = h("div", { class: "wb-spoken", role: "status" });
  const preview = h("ul", { class: "wb-preview", "aria-label": "Read so far" });
  const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
  let before = "";
  const show = (progress, answer) => {
    list.replaceChildren(...progress.stages.map((stage) => h("li", { class: `wb-stage wb-${stage.state || "next"}` },
      h("span", { class: "wb-dot" }), stage.name, stage.text ? h("span", { class: "wb-soft" }, ` ${stage.text}`) : "")));
    const left = progress.running && progress.remaining_ms !== null && progress.remaining_ms !== undefined
      ? `, about ${seconds(progress.remaining_ms)} left` : "";
    if (progress.elapsed_ms) list.append(h("li", { class: "wb-soft" }, `${seconds(progress.elapsed_ms)}${left}`));
    list.hidden = !progress.running && !progress.stages.some((stage) => stage.state);
    preview.replaceChildren(...progress.preview.map((text) => h("li", { dir: "auto" }, text)));
    preview.hidden = !progress.preview.length;
    const now = progress.stages.find((stage) => stage.state === "now")?.name;
    const words = progress.running ? `${now || "Search"} …`
      : answer.declined ? "No answer in the corpus."
        : answer.number ? `Answer ready: ${answer.sections.length} sections, ${answer.foot}` : "";
    if (words !== before) setText(spoken, words);
    before = words;
  };
  const stop = () => { for (const stage of list.querySelectorAll(".wb-now")) stage.classList.remove("wb-now"); };
  return { show, stop, element: h("div", { class: "wb-progress" }, list, spoken, preview) };
}

function createHistory(app) {
  const list = h("ol", { class: "wb-history", role: "list" });
  const element = h("nav", { class: "wb-earlier", "aria-label": "Questions asked" }, h("h4", {}, "Questions asked"), list);
  const show = (entries) => {
    element.hidden = entries.length < 2;
    list.replaceChildren(...[...entries].reverse().map((entry) => h("li", {}, h("button", {
      class: "wb-asked", type: "button", dir: "auto", "data-key": `asked-${entry.number}`,
      "aria-current": entry.number === app.answer.number ? "true" : undefined,
      onclick: () => app.tell({ type: "open", number: entry.number }),
    }, entry.question, h("span", { class: "wb-source" }, entry.how)))));
  };
  return { element, show };
}

function createExports(app) {
  const said = h("span", { class: "wb-soft", role: "status" });
  const code = h("pre", { class: "wb-code", hidden: true, tabindex: "0", "aria-label": "Code of this answer" });
  const button = (label, message, title) => h("button", { class: "wb-button", type: "button", title, onclick: () => app.tell(message) }, label);
  const bar = h("div", { class: "wb-row", role: "group", "aria-label": "Export" },
    app.options.exports.map((format) => button(format, { type: "export", format }, `Save the answer as ${format}`)),
    button("Copy as code", { type: "code" }, "The cell that gives this answer again"), said);
  const save = ({ name, text }) => {
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    const link = h("a", { href: url, download: name, hidden: true });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    setText(said, `Saved as ${name}.`);
  };
  const take = async (text) => {
    setText(code, text);
    code.hidden = false;
    setText(said, (await copyText(text)) ? "Copied; also shown below." : "Select it below.");
  };
  const hide = () => { code.hidden = true; setText(said, ""); };
  return { element: h("div", { class: "wb-exports" }, bar, code), save, take, hide, bar };
}

function render({ model, el }) {
  const root = h("div", { class: "wb wb-ask", role: "region", "aria-label": "Ask the papers" });
  const messages = h("div", { class: "wb-messages" });
  const showMessage = (message) => messages.replaceChildren(...messageBox(message));
  const kernel = kernelOf(model, root, () => { showMessage(null); form.running(false); progress.stop(); });
  const app = { options: model.get("options"), answer: model.get("answer"), closed: new Set(), tell: kernel.tell };
  const form = createForm(app), progress = createProgress(), history = createHistory(app), exports = createExports(app);
  const body = h("div", { class: "wb-reply", "aria-live": "off" });
  root.append(form.element, progress.element, messages,
    h("div", { class: "wb-columns" }, h("div", { class: "wb-main" }, body, exports.element), history.element));
  const popover = createPopover(root);

  const items = (id) => body.querySelectorAll(`[data-quote="${CSS.escape(id)}"]`);
  app.unpoint = () => {
    popover.hide();
    for (const item of body.querySelectorAll(".wb-linked")) item.classList.remove("wb-linked");
  };
  app.point = (chip, id) => {
    app.unpoint();
    popover.show(chip, app.answer.quotes[id]);
    for (const item of items(id)) item.classList.add("wb-linked");
  };
  app.reveal = (id) => {
    const item = body.querySelector(`li[data-quote="${CSS.escape(id)}"]`);
    if (!item) return;
    const section = item.closest("details");
    if (section) section.open = true;
    item.scrollIntoView({ block: "nearest" });
    item.focus();
  };
  app.judge = (quote, verdict) => app.tell({ type: "verdict", answer: app.answer.number, quote, verdict });

  function draw() {
    const key = root.contains(document.activeElement) ? document.activeElement.dataset.key : "";
    app.answer = model.get("answer");
    app.unpoint();
    exports.hide();
    exports.element.hidden = !app.answer.number;
    body.replaceChildren(...createAnswer(app));
    if (key) body.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
    root.dataset.number = String(app.answer.number || 0);
    showProgress();
  }
  const showProgress = () => {
    const now = model.get("progress");
    form.running(now.running);
    progress.show(now, app.answer);
    root.dataset.running = now.running ? "1" : "";
  };
  const showHistory = () => history.show(model.get("history"));
  const listeners = {
    "change:answer": () => { draw(); showHistory(); },
    "change:progress": showProgress,
    "change:history": showHistory,
    "change:message": () => showMessage(model.get("message")),
    "change:settings": () => form.show(model.get("settings")),
    "msg:custom": (message) => {
      if (message.type === "code") exports.take(message.code);
      else if (message.type === "export") exports.save(message);
    },
  };
  for (const [name, work] of Object.entries(listeners)) model.on(name, work);
  el.replaceChildren(root);
  const release = holdKeys(root);
  form.show(model.get("settings"));
  draw();
  showHistory();
  showMessage(model.get("message"));
  root.dataset.ready = "1";
  return () => {
    release();
    for (const [name, work] of Object.entries(listeners)) model.off(name, work);
    kernel.close();
  };
}

export default { render };
