// Markers and recordings of Affectline, from a browser experiment. See docs/experiments.md.
//
//   const affectline = await Affectline.connect("http://127.0.0.1:8090", TOKEN);
//   await affectline.record("p07", { participant: "07", task: "stroop" });
//   affectline.mark("stimulus", { word: "green" });   // at the page's current time
//   await affectline.stop();

class Affectline {
  static async connect(address, token) {
    const socket = new WebSocket(
      `${address.replace(/^http/, "ws")}/markers/live?token=${encodeURIComponent(token)}`);
    const made = new Affectline(address, token, socket);
    await new Promise((resolve, reject) => {
      made.whenReady = resolve;
      socket.onerror = () => reject(new Error(`Affectline does not answer at ${address}`));
    });
    return made;
  }

  constructor(address, token, socket) {
    Object.assign(this, { address, token, socket, errors: [], lastError: null });
    socket.onmessage = (event) => this.hear(JSON.parse(event.data));
  }

  // The page's clock, with fractions of a millisecond; it never jumps while the page is open.
  static now() { return performance.timeOrigin + performance.now(); }

  hear(message) {
    if ("ping" in message) {
      this.socket.send(JSON.stringify({ pong: message.ping, now_ms: Affectline.now() }));
      if (message.ping >= 4) this.whenReady();  // from now on the clocks are synchronized
    } else if (message.error) {
      this.errors.push(message.error);
    } else {
      this.lastError = message.error_ms;  // how far the marker's time may be off
    }
  }

  // Mark an event. `at` is a time from Affectline.now(): read it when the event happens.
  mark(label, fields = {}, at = Affectline.now()) {
    this.socket.send(JSON.stringify({ label, fields, at_ms: at }));
  }

  async call(method, path, body) {
    const answer = await fetch(this.address + path, {
      method,
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error);
    return content;
  }

  record(name, study = {}) { return this.call("POST", "/recordings", { name, ...study }); }
  stop() { return this.call("DELETE", "/recordings/current"); }
  status() { return this.call("GET", "/status"); }
}
