/* A page that is opened from the disk may start no worker: the search then runs in a frame. */
if (location.protocol === "file:") {
  class FrameWorker extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html><title>Search</title>";
      this.inner = new Promise((ready) => {
        frame.addEventListener("load", () => {
          const inner = frame.contentWindow;
          inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          const script = inner.document.createElement("script");
          script.addEventListener("load", () => ready(inner));
          script.src = url;
          inner.document.head.append(script);
        }, { once: true });
      });
      document.body.append(frame);
    }

    async postMessage(data) {
      const inner = await this.inner;
      inner.dispatchEvent(new MessageEvent("message", { data }));
    }
  }
  window.Worker = window.IFrameWorker = FrameWorker;
}
