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

function render({ el }) {
  el.style.display = "none";
  // Adding the same listener again changes nothing, unless a module was loaded twice: harmless.
  document.addEventListener("focusin", keepKeys);
  document.addEventListener("pointerdown", holdFocus, true);
}

export default { render };
