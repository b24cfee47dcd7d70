// Markers and recordings of Affectline, from a browser experiment. See docs/experiments.md.
//
//   const affectline = await Affectline.connect("http://127.0.0.1:8090", TOKEN);
//   await affectline.record("p07", { participant: "07", task: "stroop" });
//   affectline.mark("stimulus", { word: "green" });   // at the page's current time
//   await affectline.stop();

class Affectline {
  static async connect(address, token) {
    const made = new Affectline(address, token);
    await made.open();
    return made;
  }

  constructor(address, token) {
    Object.assign(this, { address, token, errors: [], lastError: null });
    this.name = crypto.getRandomValues(new Uint32Array(4)).join("-");
    this.count = 0;
    this.unanswered = [];  // markers, until their answers have come
    this.isReady = this.wasReady = false;
  }

  // The page's clock, with fractions of a millisecond; it never jumps while the page is open.
  static now() { return performance.timeOrigin + performance.now(); }

  open() {
    const url = `${this.address.replace(/^http/, "ws")}/markers/live`;
    return new Promise((resolve, reject) => {
      this.socket = new WebSocket(`${url}?token=${encodeURIComponent(this.token)}`);
      this.socket.onmessage = (event) => this.hear(JSON.parse(event.data), resolve);
      this.socket.onclose = () => {
        if (this.isReady) this.errors.push("the connection was lost: markers are kept");
        this.isReady = false;
        reject(new Error(`Affectline does not answer at ${this.address}`));
        if (this.wasReady) setTimeout(() => this.open().catch(() => {}), 1000);
      };
    });
  }

  hear(message, ready) {
    if ("ping" in message) {
      this.socket.send(JSON.stringify({ pong: message.ping, now_ms: Affectline.now() }));
      if (message.ping < 4 || this.isReady) return;
      this.isReady = this.wasReady = true;  // from now on the clocks are synchronized
      for (const marker of this.unanswered) this.socket.send(marker);
      ready();
      return;
    }
    this.unanswered.shift();  // answers come in the order of the markers
    if (message.error) this.errors.push(message.error);
    else this.lastError = message.error_ms;  // how far the marker's time may be off
  }

  // Mark an event. `at` is a time from Affectline.now(): read it when the event happens.
  // While the connection is lost, markers wait. Those whose answer was lost are sent again, and
  // known by their IDs.
  mark(label, fields = {}, at = Affectline.now()) {
    const marker = JSON.stringify({ label, fields, at_ms: at, id: `${this.name}-${this.count++}` });
    this.unanswered.push(marker);
    if (this.isReady) this.socket.send(marker);
  }

  // Wait until all markers are stored, but not longer than `seconds`.
  async stored(seconds = 10) {
    const until = performance.now() + 1000 * seconds;
    while (this.unanswered.length && performance.now() < until) {
      await new Promise((done) => setTimeout(done, 50));
    }
    const left = this.unanswered.length;
    if (left) this.errors.push(`${left} markers have not been stored yet`);
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
  async stop() {
    await this.stored();
    return this.call("DELETE", "/recordings/current");
  }

  status() { return this.call("GET", "/status"); }
}
