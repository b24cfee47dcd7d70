// The socket to the server. Pictures come as binary messages: length of the JSON (4 bytes,
// big-endian), JSON, JPEG. Everything else is JSON with a "kind". The only thing that is ever
// said back is the name of a stream whose picture is on the screen: the next one is sent then.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 4000;

class Link {
  constructor() {
    this.listeners = new Map();
    this.pause = FIRST_PAUSE_MS;
    this.viewer = null;
    this.feed = null;
  }

  // Have a function called with each message of a kind; returns how to end that.
  on(kind, listener) {
    if (!this.listeners.has(kind)) this.listeners.set(kind, new Set());
    this.listeners.get(kind).add(listener);
    return () => this.listeners.get(kind).delete(listener);
  }

  tell(kind, message) {
    for (const listener of this.listeners.get(kind) ?? []) listener(message);
  }

  // Listen to a feed: "live" or "replay".
  open(feed) {
    this.close();
    this.feed = feed;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/feed/${feed}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.viewer = null;
      this.tell("gone", {});
      this.timer = setTimeout(() => this.open(feed), this.pause);
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
    };
    this.socket = socket;
  }

  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    this.viewer = null;
    if (socket) socket.close();
  }

  // A stream's picture is on the screen.
  shown(stream) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(stream);
  }

  receive(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.kind === "hello") {
        this.viewer = message.viewer;
        this.pause = FIRST_PAUSE_MS;
      }
      this.tell(message.kind, message);
      return;
    }
    const length = new DataView(data).getUint32(0);
    const about = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    about.jpeg = new Uint8Array(data, 4 + length);
    this.tell("picture", about);
  }
}

export const link = new Link();
