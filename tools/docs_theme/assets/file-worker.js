// Search runs in a worker, and browsers start no worker of a page that is read from a file. There, the script of the
// worker runs in a hidden frame instead, which has its own global names as a worker has.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(script) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inner = this.frame.contentWindow
      this.ready = new Promise(resolve => {
        inner.document.open()
        inner.document.write(`<!doctype html><script src="${new URL(script, location)}"><\/script>`)
        inner.document.close()
        inner.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
        inner.addEventListener("load", resolve)
      })
      this.onmessage = null
      this.addEventListener("message", event => this.onmessage && this.onmessage(event))
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
    }

    terminate() {
      this.frame.remove()
    }
  }
  window.Worker = window.IFrameWorker
}
