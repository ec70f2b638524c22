// Keys belong to what is focused: JupyterLab would take arrows and Enter in a field for its cells.
// It looks for this attribute on the focused element first, so every field of a panel gets it.
const MARK = "data-lm-suppress-shortcuts";

function keepKeys(event) {
  if (event.target.closest?.(".wb")) event.target.setAttribute(MARK, "true");
}

// A click beside the fields gives the panel the focus, or the keys would still be the notebook's.
function holdFocus(event) {
  const root = event.target.closest?.(".wb");
  if (!root || root.hasAttribute("tabindex")) return;
  root.tabIndex = -1;
  root.setAttribute(MARK, "true");
}

// ipywidgets gives its fields a title at most, and the handles of its sliders no name at all.
function nameFields(root) {
  for (const field of root.querySelectorAll(":is(input, select)[title]:not([aria-label])"))
    field.setAttribute("aria-label", field.title);
  for (const handle of root.querySelectorAll(".noUi-handle:not([aria-label])")) {
    const label = handle.closest(".widget-slider")?.querySelector(".widget-label");
    if (label?.textContent) handle.setAttribute("aria-label", label.textContent);
  }
}

// The panel around is there a frame later at the earliest, and gets parts as its tabs are opened.
function watchFields(el) {
  let waiting = 0, fresh = null;
  (function seek() {
    const root = el.closest(".wb");
    if (!root) { waiting = requestAnimationFrame(seek); return; }
    fresh = new MutationObserver(() => nameFields(root));
    fresh.observe(root, { childList: true, subtree: true });
    nameFields(root);
  })();
  return () => { cancelAnimationFrame(waiting); fresh?.disconnect(); };
}

function render({ model, el }) {
  el.style.display = "none";
  const gone = () => sayGone(el.closest(".wb"), el, () => { el.style.display = ""; });
  model.on("comm_live_update", gone);
  // Adding the same listener again changes nothing, unless a module was loaded twice: harmless.
  document.addEventListener("focusin", keepKeys);
  document.addEventListener("pointerdown", holdFocus, true);
  document.addEventListener("keydown", passPageKey);
  const unwatch = watchFields(el);
  return () => { model.off("comm_live_update", gone); unwatch(); };
}

export default { render };
