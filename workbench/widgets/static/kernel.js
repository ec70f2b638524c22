// Speaking to the kernel, and noticing that it is gone: then `whenGone` is told what to do.

const GONE = "The kernel behind this was restarted or stopped. Run its cell again; what was saved is still there.";

function kernelOf(model, whenGone) {
  const lost = () => whenGone(GONE);
  model.on("comm_live_update", lost);
  return {
    tell(content, buffers = []) {
      try {
        model.send(content, undefined, buffers);
        return true;
      } catch {
        lost();
        return false;
      }
    },
    close() { model.off("comm_live_update", lost); },
  };
}
