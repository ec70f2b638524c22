// Building elements. Text goes in as text only: nothing of a paper or a query becomes markup.

let made = 0;
const uniqueId = (name) => `wb-${name}-${Date.now().toString(36)}-${++made}`;

const FOCUSABLE = new Set(["a", "button", "input", "select", "summary", "textarea"]);

function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  // Keys belong to what is focused: JupyterLab would take arrows and Enter for its cells. It looks
  // for this attribute on the focused element itself first, so every one needs it.
  if (FOCUSABLE.has(tag) || "tabindex" in properties)
    element.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "style") Object.assign(element.style, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function setValue(input, value) {
  if (input.value !== value) input.value = value;
}

// Which elements may stay where they are: a longest run of them that is in the wanted order.
function staying(list, wanted) {
  const places = new Map([...list.children].map((child, place) => [child, place]));
  const ends = [], before = new Map(), placeAt = (element) => places.get(element);
  for (const element of wanted) {
    if (!places.has(element)) continue;
    const longer = ends.findIndex((end) => placeAt(end) > placeAt(element));
    const at = longer < 0 ? ends.length : longer;
    before.set(element, ends[at - 1]);
    ends[at] = element;
  }
  const found = new Set();
  for (let element = ends.at(-1); element; element = before.get(element)) found.add(element);
  return found;
}

// The children in the wanted order. What moves keeps the focus, where the browser can do that.
function arrangeChildren(list, wanted) {
  const there = new Set(wanted);
  for (const child of [...list.children]) if (!there.has(child)) child.remove();
  const stay = staying(list, wanted);
  for (let i = wanted.length - 1, after = null; i >= 0; after = wanted[i--]) {
    if (stay.has(wanted[i])) continue;
    if (list.moveBefore && wanted[i].parentNode === list) list.moveBefore(wanted[i], after);
    else list.insertBefore(wanted[i], after);
  }
}

// A widget holds the keys: a click anywhere in it gives it the focus, and what is redrawn under the
// focus gives it back. Then no key is JupyterLab's, where `0 0` restarts a kernel and `x` cuts.
function holdKeys(root) {
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.tabIndex = -1;
  root.addEventListener("keydown", passPageKey);
  let held = false;
  root.addEventListener("focusin", () => { held = true; });
  root.addEventListener("focusout", (event) => {
    if (event.relatedTarget || event.target.isConnected) held = root.contains(event.relatedTarget);
  });
  const redrawn = new MutationObserver(() => {
    if (held && root.isConnected && document.activeElement === document.body)
      root.focus({ preventScroll: true });
  });
  redrawn.observe(root, { childList: true, subtree: true });
  return () => redrawn.disconnect();
}

// Several controls as one stop of the Tab key; arrows go from one to the next.
function rove(group) {
  const controls = () => [...group.querySelectorAll("button, input, select")]
    .filter((control) => !control.disabled && !control.hidden);
  function settle(now) {
    for (const control of controls()) setAttribute(control, "tabindex", control === now ? "0" : "-1");
  }
  group.addEventListener("focusin", (event) => { if (controls().includes(event.target)) settle(event.target); });
  group.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    const inText = event.target.matches("input:not([type=checkbox])");
    const inList = event.target.matches("select") && !Number.isFinite(way);
    if (!way || inList || (inText && event.target.value)) return;
    const all = controls(), at = all.indexOf(event.target);
    all[Math.min(Math.max(at + way, 0), all.length - 1)]?.focus();
    event.preventDefault();
  });
  return () => settle(controls().find((control) => control === document.activeElement) || controls()[0]);
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// At most one call a frame, with whatever is newest by then; `now` does what is asked for at once.
function oncePerFrame(work) {
  let asked = 0;
  const cancel = () => { cancelAnimationFrame(asked); asked = 0; };
  const ask = () => { asked ||= requestAnimationFrame(() => { asked = 0; work(); }); };
  const now = () => { if (asked) { cancel(); work(); } };
  return Object.assign(ask, { cancel, now });
}

// One call when what is on its way to the screen is there, and `gap` ms after the last one at the
// earliest; `now` does what is asked for at once.
function afterPaint(gap, work) {
  let frame = 0, timer = 0, last = -Infinity;
  const cancel = () => { cancelAnimationFrame(frame); clearTimeout(timer); frame = timer = 0; };
  const run = () => { cancel(); last = performance.now(); work(); };
  const ask = () => {
    if (timer) return;
    timer = setTimeout(run, 1000); // a hidden page paints nothing
    frame = requestAnimationFrame(() => {
      clearTimeout(timer);
      timer = setTimeout(run, Math.max(0, last + gap - performance.now()));
    });
  };
  return Object.assign(ask, { cancel, now: () => { if (timer) run(); } });
}

// One call after `pause` ms without another.
function afterPause(pause, work) {
  let timer = 0;
  const cancel = () => clearTimeout(timer);
  const ask = (...given) => { cancel(); timer = setTimeout(() => work(...given), pause); };
  return Object.assign(ask, { cancel });
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without permission or over plain http: the old way, which needs a selection.
    const area = h("textarea", { style: { position: "fixed", opacity: "0" } });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function messageBox(message) {
  if (!message || !message.text) return [];
  const role = message.kind === "error" ? "alert" : "status";
  return [h("div", { class: `wb-message wb-${message.kind}`, role },
    message.title ? [h("b", {}, message.title), " "] : [],
    h("span", { dir: "auto" }, message.text),
    message.details
      ? h("details", {}, h("summary", {}, "Show details"), h("pre", {}, message.details))
      : [])];
}
