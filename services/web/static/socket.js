// The socket to the server. Frames arrive as binary messages: length of the JSON (4 bytes,
// big-endian), JSON, JPEG. Everything else is JSON with a "kind". The page only ever sends the name
// of a stream whose frame is on the screen, which acknowledges the frame and requests the next.

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 4000;

export class FeedSocket {
  constructor() {
    this.listeners = new Map();
    this.retryMs = FIRST_RETRY_MS;
    this.clientId = null;
    this.name = null;
  }

  // Call a function with each message of a kind; returns a function that unsubscribes it.
  on(kind, listener) {
    if (!this.listeners.has(kind)) this.listeners.set(kind, new Set());
    this.listeners.get(kind).add(listener);
    return () => this.listeners.get(kind).delete(listener);
  }

  emit(kind, message) {
    for (const listener of this.listeners.get(kind) ?? []) listener(message);
  }

  // Connect to a feed: "live", or "replay:" with the name of a session.
  open(name) {
    this.close();
    this.name = name;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/feed/${name}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.clientId = null;
      this.emit("disconnected", {});
      this.timer = setTimeout(() => this.open(name), this.retryMs);
      reloadIfLoggedOut();
      this.retryMs = Math.min(2 * this.retryMs, LONGEST_RETRY_MS);
    };
    this.socket = socket;
  }

  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    this.clientId = null;
    if (socket) socket.close();
  }

  // Acknowledge that a stream's frame is on the screen.
  acknowledge(stream) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(stream);
  }

  receive(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.kind === "hello") {
        this.clientId = message.viewer;
        this.retryMs = FIRST_RETRY_MS;
      }
      this.emit(message.kind, message);
      return;
    }
    const length = new DataView(data).getUint32(0);
    const frame = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    frame.jpeg = new Uint8Array(data, 4 + length);
    this.emit("frame", frame);
  }
}

// Show the login form if the login has ended: the server shows it at every address.
async function reloadIfLoggedOut() {
  const response = await fetch(location.href, { method: "HEAD", cache: "no-store" }).catch(() => null);
  if (response?.status === 401) location.reload();
}

export const feed = new FeedSocket();
