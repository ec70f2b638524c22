// The import panel: files go to the kernel in parts, what they are comes back, "Add" adds them.

const PART = 2 ** 20; // bytes of a message; servers refuse messages of ten
const FIELDS = ["title", "abstract", "body", "authors", "year", "venue", "keywords", "doi", "id"];

function render({ model, el }) {
  const hidden = (more) => h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", "aria-hidden": "true", ...more });
  const button = (text, onclick, more = {}) => h("button", { class: "wb-button", type: "button", onclick, ...more }, text);
  const parts = {
    where: h("h3", { dir: "auto" }, "Waiting for the kernel."),
    message: h("div"),
    files: hidden({ class: "wb-files" }),
    folder: hidden({ webkitdirectory: "" }),
    path: h("input", { class: "wb-input wb-path", type: "text", placeholder: "~/Zotero/zotero.sqlite, papers/, export.ris", "aria-label": "Path where the kernel runs", spellcheck: "false" }),
    items: h("div", { class: "wb-items", role: "list", "aria-label": "Files that wait" }),
    total: h("span", { class: "wb-total", role: "status" }),
    bar: h("progress", { class: "wb-progress", max: "1", "aria-label": "Progress" }),
    doing: h("span", { class: "wb-soft wb-number" }),
    reports: h("div", { class: "wb-reports", role: "region", "aria-label": "What was added" }),
  };
  parts.add = button("Add", () => tell({ type: "add" }), { class: "wb-button wb-primary" });
  parts.stop = button("Stop", () => { parts.stop.disabled = true; tell({ type: "stop" }); });
  parts.running = h("div", { class: "wb-running", hidden: true }, parts.bar, parts.doing, parts.stop);
  parts.drop = h("div", { class: "wb-drop", role: "group", "aria-label": "Choose papers" },
    h("span", {}, "Drop files or folders here, or "),
    button("Choose files", () => parts.files.click()), button("Choose a folder", () => parts.folder.click()),
    h("span", { class: "wb-path-row" }, h("span", {}, "or a path "), parts.path, button("Look", look)),
    parts.files, parts.folder);
  const root = h("div", { class: "wb wb-import", role: "region", "aria-label": "Import papers" },
    parts.where, parts.message, parts.drop, parts.items,
    h("div", { class: "wb-foot" }, parts.add, parts.total), parts.running, parts.reports);
  el.replaceChildren(root);
  const release = holdKeys(root);

  const kernel = kernelOf(model, root, () => {
    say(null);
    parts.running.hidden = true;
    for (const resolve of waiting.values()) resolve(false);
  });
  const { tell } = kernel;
  const say = (message) => parts.message.replaceChildren(...messageBox(message));
  const waiting = new Map(); // uploads by number: what to do when the kernel has the part
  let made = Math.floor(Math.random() * 2 ** 40);

  function look() {
    if (!parts.path.value.trim()) { parts.path.focus(); return; }
    say(null);
    showRunning(`Looking at ${parts.path.value}`, 0, null, false);
    tell({ type: "path", path: parts.path.value });
  }
  parts.path.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); look(); } });

  // Files of the browser
  async function upload(files) {
    if (kernel.gone) return;
    say(null);
    for (const [i, file] of files.entries()) {
      const number = String(++made);
      let at = 0;
      do {
        const bytes = await file.slice(at, at + PART).arrayBuffer();
        const last = at + bytes.byteLength >= file.size;
        showRunning(`Fetching ${file.name}`, i + (file.size ? at / file.size : 0), files.length, false);
        const heard = new Promise((resolve) => waiting.set(number, resolve));
        if (!tell({ type: "upload", upload: number, name: file.name, at, last }, [bytes])) break;
        if (!(await heard)) break;
        at += bytes.byteLength;
      } while (at < file.size);
      waiting.delete(number);
    }
    parts.running.hidden = true;
  }
  for (const input of [parts.files, parts.folder])
    input.addEventListener("change", () => { upload(visible([...input.files])); input.value = ""; });
  const visible = (files) => files.filter((file) => !file.name.startsWith("."));
  parts.drop.addEventListener("dragover", (event) => { event.preventDefault(); parts.drop.classList.add("wb-over"); });
  parts.drop.addEventListener("dragleave", () => parts.drop.classList.remove("wb-over"));
  parts.drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would copy them into its own folder
    parts.drop.classList.remove("wb-over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = entries.length ? (await Promise.all(entries.map(inside))).flat() : [...event.dataTransfer.files];
    upload(visible(files));
  });

  // What the kernel says
  let shown = 0;
  function draw(state) {
    if (state.items.length > shown) parts.path.value = "";
    shown = state.items.length;
    setText(parts.where, `Import into ${state.where} (${state.papers})`);
    const focused = document.activeElement?.dataset?.key;
    const open = new Set([...parts.items.querySelectorAll("details[open]")].map((d) => d.dataset.key));
    parts.items.replaceChildren(...state.items.map((item) => drawItem(item, open)));
    if (focused) [...root.querySelectorAll("[data-key]")].find((e) => e.dataset.key === focused)?.focus();
    const good = state.items.filter((item) => item.records);
    setText(parts.total, totalOf(state.items));
    parts.add.disabled = state.running || !good.length;
    setText(parts.add, good.length ? `Add ${many(good.length, "source")}` : "Add");
    if (!state.running) parts.running.hidden = true;
    else if (parts.running.hidden) showRunning("Reading", 0, null, true);
    // Templates of the package, which escape: the one way for markup into this page.
    parts.reports.innerHTML = state.reports.join("");
  }
  function drawItem(item, open) {
    const key = (name) => `${item.item}-${name}`;
    const fold = (name, summary, ...inner) => h("details", { "data-key": key(name), open: open.has(key(name)) },
      h("summary", { "data-key": key(`${name}-summary`) }, summary), ...inner);
    const head = h("div", { class: "wb-item-head" }, h("b", { dir: "auto" }, item.name),
      h("span", { class: "wb-soft", dir: "auto" }, item.summary ?? ""),
      button("Remove", () => tell({ type: "remove", item: item.item }), { "aria-label": `Remove ${item.name}` }));
    if (item.problem.text) return h("div", { class: "wb-item", role: "listitem" }, head, ...messageBox(item.problem));
    const same = [];
    if (item.known) same.push(fold("known", `${many(item.known, "record")} of papers that the corpus has`,
      table(["title", "joins", "why"], item.examples)));
    if (item.within) same.push(h("div", {}, `${many(item.within, "record")} of papers that come twice here`));
    return h("div", { class: "wb-item", role: "listitem" }, head,
      item.header.length ? columns(item, key) : null,
      item.papers.length ? table(["title", "authors", "year", "venue", "abstract"],
        item.papers.map((paper) => [paper.title, paper.by, paper.year, paper.venue, paper.abstract])) : null,
      ...same,
      item.rejected ? fold("rejects", `${many(item.rejected, "record")} would be rejected`,
        table(["where", "why", "what to do"], item.rejects.map((r) => [r.where, r.problem, r.cure]))) : null);
  }
  function columns(item, key) {
    return h("div", { class: "wb-roles", role: "group", "aria-label": `Columns of ${item.name}` },
      FIELDS.filter((role) => item.columns[role] || ["title", "abstract", "authors", "year"].includes(role)).map((role) => {
        const guessed = item.guessed.includes(role);
        const select = h("select", { class: "wb-select", "data-key": key(role), "aria-label": `Column of ${role}`,
          onchange: (event) => tell({ type: "column", item: item.item, role, column: event.target.value }) },
          h("option", { value: "" }, item.given[role] ? "as guessed" : "none"),
          item.header.map((name) => h("option", { value: name, selected: item.columns[role] === name }, name)));
        return h("label", { class: guessed ? "wb-guessed" : "" }, `${role} `, select, guessed ? h("span", { class: "wb-soft" }, " guessed") : "");
      }));
  }
  function showRunning(what, done, of, stoppable) {
    parts.running.hidden = false;
    parts.stop.hidden = !stoppable;
    if (of) { parts.bar.max = of; parts.bar.value = done; } else parts.bar.removeAttribute("value");
    const counted = of ? `${Math.floor(done).toLocaleString()} of ${of.toLocaleString()}` : done.toLocaleString();
    setText(parts.doing, stoppable ? `${what}: ${counted}` : what);
  }

  const heard = {
    state(state) { parts.stop.disabled = !state.running; draw(state); root.dataset.ready = "true"; },
    progress: (told) => showRunning(told.what, told.done, told.of, true),
    message(told) {
      say(told.message);
      for (const resolve of waiting.values()) resolve(false);
    },
    received: (told) => waiting.get(told.upload)?.(true),
  };
  const take = (message) => heard[message.type]?.(message);
  model.on("msg:custom", take);
  tell({ type: "hello" });
  return () => { release(); model.off("msg:custom", take); kernel.close(); };
}

const many = (number, noun) => `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;

function totalOf(items) {
  if (!items.length) return "Nothing waits. Nothing is written before you press Add.";
  const sum = (name) => items.reduce((total, item) => total + (item[name] ?? 0), 0);
  const more = items.every((item) => item.whole ?? true) ? "" : " or more";
  const parts = [many(sum("records"), "record") + more];
  if (sum("known")) parts.push(`${sum("known").toLocaleString()} known already`);
  if (sum("within")) parts.push(`${sum("within").toLocaleString()} twice`);
  if (sum("rejected")) parts.push(`${sum("rejected").toLocaleString()} rejected`);
  return parts.join(", ");
}

function table(names, rows) {
  return h("div", { class: "wb-scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", { dir: "auto" }, cell)))))));
}

// The files in what was dropped, those in its folders too.
async function inside(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a reader gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(inside))).flat();
}

export default { render };
