// Speaking to the kernel, and noticing that it is gone: then the widget says so at its top. It can be
// read and copied from as before, and does nothing else: no control looks or acts as if it worked.

const GONE = "The kernel behind this was restarted or stopped. Run its cell again; what was saved is still there.";

// What works without a kernel stands in a `wb-alone`. `place` is where the message goes, `whenGone`
// ends what the widget has under way.
function sayGone(root, place, whenGone = () => {}) {
  if (root.classList.contains("wb-gone")) return;
  root.classList.add("wb-gone");
  whenGone();
  for (const control of root.querySelectorAll("button, input, select, textarea"))
    if (!control.closest(".wb-alone")) control.disabled = true;
  for (const slider of root.querySelectorAll(".noUi-target")) slider.setAttribute("disabled", "true");
  for (const number of root.querySelectorAll("[contenteditable]")) number.contentEditable = "false";
  root.addEventListener("keydown", (event) => { // those that move the page, or are the page's, pass
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopImmediatePropagation();
  }, true);
  place.prepend(h("div", { class: "wb-says-gone" }, messageBox({ kind: "error", title: "", text: GONE })));
}

function kernelOf(model, root, whenGone = () => {}) {
  const kernel = { gone: false, tell, close: () => model.off("comm_live_update", lost) };
  function lost() {
    kernel.gone = true;
    sayGone(root, root, whenGone);
  }
  model.on("comm_live_update", lost);
  function tell(content, buffers = []) {
    try {
      model.send(content, undefined, buffers);
      return true;
    } catch {
      lost();
      return false;
    }
  }
  return kernel;
}
