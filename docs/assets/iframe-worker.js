// Browsers start no worker from file://. There, the search's script runs in a hidden frame of the page.
if (location.protocol === "file:") {
  // The search's script looks for this name to find its other files.
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      this.frame = new Promise((resolve) => frame.addEventListener("load", () => resolve(frame), { once: true }));
      frame.srcdoc = "<!doctype html>";
      document.body.append(frame);
      this.inside = this.frame.then(
        () =>
          new Promise((resolve) => {
            const inside = frame.contentWindow;
            inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
            const script = frame.contentDocument.createElement("script");
            script.src = url;
            script.addEventListener("load", () => resolve(inside), { once: true });
            frame.contentDocument.head.append(script);
          }),
      );
    }

    postMessage(data) {
      this.inside.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.then((frame) => frame.remove());
    }
  };
  window.Worker = window.IFrameWorker;
}
