// Keys belong to what is focused: JupyterLab would take arrows and Enter in a field for its cells.
// It looks for this attribute on the focused element first, so every field of a panel gets it.
const MARK = "data-lm-suppress-shortcuts";

function keepKeys(event) {
  if (event.target.closest?.(".wb")) event.target.setAttribute(MARK, "true");
}

function render({ el }) {
  el.style.display = "none";
  // Adding the same listener again changes nothing, unless a module was loaded twice: harmless.
  document.addEventListener("focusin", keepKeys);
}

export default { render };
