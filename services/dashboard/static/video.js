// The streams, one in focus: frames with boxes, seven bars per face, and the reason if there is no frame.
import { formatFixed, formatMoment } from "affectline-dashboard";
import { decode, draw, drawBlank, feed, onKeys } from "affectline-web";

const NO_FACE_MS = 500; // tolerate a face that is missed in a few frames
const SNAPSHOT_MS = 5000; // timeout for a snapshot
const NOT_ANALYSED = {
  behind: { status: "behind", detail: "the classifiers had no time for this frame" },
  invalid: { status: "no frame", detail: "the camera's data could not be decoded" },
};
const DOWNLOAD_MS = 60_000; // how long the browser may take to start a download

export default {
  template: `
    <div class="af-live" :class="{ 'af-single': names.length < 2 }">
      <p v-if="banner" class="af-banner" :class="{ 'af-wrong': isWrong }" role="status">{{ banner }}</p>
      <p v-if="!banner && !names.length" class="af-empty" role="status">{{ empty }}</p>
      <section v-for="name in names" :key="name" class="af-stream" :data-stream="name"
          :class="{ 'af-focus': name === focus, 'af-stale': isStale(name), 'af-ended': isEnded(name) }"
          :aria-label="'Stream ' + name">
        <h2><button v-if="names.length > 1" type="button" class="af-plain" @click="setFocus(name)"
            :aria-pressed="String(name === focus)">{{ name }}</button>
          <template v-else>{{ name }}</template> <small>{{ frameFacts(streams[name]) }}</small></h2>
        <div class="af-picture" @click="setFocus(name)">
          <canvas :ref="(el) => canvases[name] = el" width="640" height="360" role="img"
            :aria-label="description(name)" :data-seq="streams[name].frame?.seq"></canvas>
          <p v-if="status(name)" class="af-status" role="status">
            <strong>{{ status(name).status }}</strong> <span>{{ status(name).detail }}</span>
          </p>
        </div>
        <div v-if="name === focus" class="af-faces">
          <div v-for="face in streams[name].frame?.faces ?? []" :key="face.track" class="af-face"
              :data-track="face.track">
            <h3>Face #{{ face.track }}
              <small v-if="face.label">{{ face.label }} {{ percent(face.confidence) }}</small>
              <small v-else>no result: {{ face.missing }}</small></h3>
            <p v-if="face.doubts?.length" class="af-doubt"><i class="af-hatch"></i>not to be trusted: {{ face.doubts.join(", ") }}</p>
            <dl v-if="face.probabilities" class="af-bars" :class="{ 'af-hatched': face.doubts?.length }">
              <template v-for="(label, i) in labels" :key="label">
                <dt>{{ label }}</dt>
                <dd :data-share="face.probabilities[i]">
                  <i :style="{ transform: 'scaleX(' + face.probabilities[i] + ')',
                    background: 'var(--' + label + ')' }"></i>
                  <span>{{ percent(face.probabilities[i]) }}</span></dd>
              </template>
            </dl>
            <p v-if="face.valence !== null" class="af-affect"><span>valence {{ signed(face.valence) }}</span>
              <span>arousal {{ signed(face.arousal) }}</span></p>
          </div>
        </div>
      </section>
      <section v-if="snapshot" class="af-snapshot" aria-label="Last snapshot" role="status">
        <h2>Snapshot <small>{{ snapshot.when }}, {{ snapshot.state }}</small></h2>
        <div v-for="one in snapshot.streams" :key="one.name" class="af-shot">
          <img :src="one.image" :alt="'Frame of ' + one.name">
          <table v-if="one.faces.length">
            <tr><th>{{ one.name }}, frame {{ one.seq }}</th>
              <th v-for="face in one.faces" :key="face.track">#{{ face.track }}</th></tr>
            <tr v-for="(label, i) in labels" :key="label"><th>{{ label }}</th>
              <td v-for="face in one.faces" :key="face.track">
                {{ face.probabilities ? precise(face.probabilities[i]) : "" }}</td></tr>
          </table>
          <p v-else>{{ one.name }}, frame {{ one.seq }}: no face</p>
        </div>
      </section>
    </div>`,
  props: { labels: Array, colours: Object, hub: String, maySave: Boolean },
  data() {
    return { streams: {}, pipeline: null, banner: "", isWrong: false, snapshot: null, chosen: null };
  },
  computed: {
    names() {
      return Object.keys(this.streams).sort();
    },
    // The stream that is shown large and has its curves drawn.
    focus() {
      return this.names.includes(this.chosen) ? this.chosen : this.names[0] ?? null;
    },
    empty() {
      if (!this.pipeline) return "Connecting.";
      if (this.pipeline.running) return "The pipeline is running; no stream has started yet.";
      return `No pipeline is running at ${this.hub}. Start one with: affectline up`;
    },
  },
  watch: {
    focus(stream) {
      feed.emit("focus", { stream });
    },
  },
  created() {
    this.canvases = {};
  },
  mounted() {
    this.unsubscribes = [
      feed.on("hello", () => this.clear()),
      feed.on("frame", (frame) => this.receive(frame)),
      feed.on("status", (status) => this.showStatus(status)),
      feed.on("reset", () => this.clear()),
      feed.on("closing", () => { this.isClosing = true; }),
      feed.on("disconnected", () => this.showDisconnected()),
      onKeys(this.maySave ? { k: () => this.takeSnapshot() } : {}),
    ];
    feed.open("live");
  },
  unmounted() {
    this.unsubscribes.forEach((unsubscribe) => unsubscribe());
    feed.close();
  },
  methods: {
    clear() {
      this.banner = "";
      this.isClosing = false;
      this.streams = {};
      this.pipeline = null;
    },
    // A server announces that it is being stopped; then nothing is wrong.
    showDisconnected() {
      this.isWrong = !this.isClosing;
      this.banner = this.isClosing
        ? "Affectline was stopped. This page resumes when it is started again."
        : "Disconnected from the server. Reconnecting.";
    },
    setFocus(name) {
      this.chosen = name;
    },
    isEnded(name) {
      return this.streams[name].status === "ended";
    },
    isStale(name) {
      return !this.isEnded(name) && Boolean(this.banner || this.streams[name].status);
    },
    stream(name) {
      this.streams[name] ??= { frame: null, status: "", detail: "", faceSeen: performance.now() };
      return this.streams[name];
    },
    showStatus(pipeline) {
      this.pipeline = pipeline;
      for (const [name, { status, detail }] of Object.entries(pipeline.streams)) {
        Object.assign(this.stream(name), { status, detail });
      }
      if (pipeline.running) return;
      for (const stream of Object.values(this.streams)) {
        if (stream.status === "ended") continue;
        Object.assign(stream, { status: "no pipeline", detail: `no messages from ${this.hub}` });
      }
    },
    async receive(frame) {
      const { clientId } = feed;
      const isCurrent = () => clientId === feed.clientId; // false if the feed changed meanwhile
      try {
        const image = await decode(frame);
        await this.snapshotTaken;
        if (isCurrent()) await this.show(frame, image);
        else image?.close();
      } finally {
        if (isCurrent()) feed.acknowledge(frame.stream);
      }
    },
    async show(frame, image) {
      const stream = this.stream(frame.stream);
      if (!this.canvases[frame.stream]) await this.$nextTick();
      const canvas = this.canvases[frame.stream];
      if (!canvas) return;
      if (image) draw(canvas, image, frame, this.colours);
      else drawBlank(canvas, frame, this.colours);
      image?.close();
      if (frame.faces.length || frame.missing) stream.faceSeen = performance.now();
      if (frame.faces.length) this.chosen ??= frame.stream; // focus the first stream with a face
      stream.frame = Object.freeze(frame); // in the same repaint as the image
    },
    status(name) {
      const stream = this.streams[name];
      if (stream.status) return { status: stream.status, detail: stream.detail };
      if (!stream.frame) return { status: "waiting", detail: "for the first frame" };
      if (stream.frame.faces.length) return null;
      const { missing } = stream.frame;
      if (missing) return NOT_ANALYSED[missing] ?? { status: "no result", detail: missing };
      if (performance.now() - stream.faceSeen < NO_FACE_MS) return null;
      return { status: "no face", detail: "" };
    },
    frameFacts(stream) {
      if (!stream.frame) return "";
      const { rate, latency, seq } = stream.frame;
      return `frame ${seq}, ${Math.round(rate)} frames/s, ${Math.round(latency)} ms`;
    },
    description(name) {
      const faces = this.streams[name].frame?.faces ?? [];
      const descriptions = faces.map((f) => `face ${f.track} ${f.label ?? "without a result"}`
        + (f.doubts?.length ? `, doubt: ${f.doubts.join(", ")}` : ""));
      return `${name}: ${descriptions.join(", ") || this.status(name)?.status || "no face"}`;
    },
    signed(value) {
      const text = formatFixed(value, 2);
      return text.startsWith("\u2212") ? text : `+${text}`;
    },
    precise(share) {
      return `${(100 * share).toFixed(1)} %`;
    },
    percent(share) {
      return `${Math.round(100 * share)} %`;
    },
    // Download the displayed images and results, and show the results here.
    async takeSnapshot() {
      const shown = this.names.filter((name) => this.streams[name].frame);
      if (!shown.length || !feed.clientId) return;
      const query = new URLSearchParams({ viewer: feed.clientId, feed: "live" });
      for (const name of shown) {
        const { epoch, seq } = this.streams[name].frame;
        query.append("frame", `${name}:${epoch}:${seq}`);
      }
      const now = new Date();
      this.snapshot = {
        state: "downloading",
        when: now.toLocaleTimeString(),
        streams: shown.map((name) => ({
          name,
          seq: this.streams[name].frame.seq,
          faces: this.streams[name].frame.faces,
          image: this.canvases[name].toDataURL("image/jpeg"),
        })),
      };
      const snapshot = this.snapshot;
      // Show no other frame meanwhile: as long as none is acknowledged, the server still has the
      // frame on the screen.
      const request = fetch(`/snapshot?${query}`, { signal: AbortSignal.timeout(SNAPSHOT_MS) });
      this.snapshotTaken = request.catch(() => null);
      try {
        const response = await request;
        if (!response.ok) throw new Error(await response.text());
        const stamp = formatMoment(now).replace(/[-:]/g, "").replace(" ", "T");
        const file = `snapshot-${stamp}.zip`;
        save(await response.blob(), file);
        const note = response.headers.get("affectline-note");
        snapshot.state = `downloaded as ${file}` + (note ? `: ${note}` : "");
      } catch (error) {
        snapshot.state = `not downloaded: ${error.message}`;
      }
    },
  },
};

function save(blob, file) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = file;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), DOWNLOAD_MS);
}
