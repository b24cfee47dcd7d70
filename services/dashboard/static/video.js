// The pictures with their boxes, each face's seven bars, and the reason where there is no picture.
import { decode, draw, drawBlank, feed, onKeys } from "affectline-web";

const NO_FACE_MS = 500; // a face may be missed in a few pictures
const SNAPSHOT_MS = 5000; // how long a snapshot is waited for
const NOT_ANALYSED = {
  behind: { status: "behind", detail: "the classifiers had no time for this picture" },
  invalid: { status: "no picture", detail: "the camera's could not be decoded" },
};
const DOWNLOAD_MS = 60_000; // how long the browser may take to start a download

export default {
  template: `
    <div class="af-live">
      <p v-if="banner" class="af-banner" role="alert">{{ banner }}</p>
      <p v-if="!banner && !names.length" class="af-empty" role="status">{{ empty }}</p>
      <section v-for="name in names" :key="name" class="af-stream" :data-stream="name"
          :class="{ 'af-stale': banner || streams[name].status }" :aria-label="'Stream ' + name">
        <h2>{{ name }} <small>{{ frameFacts(streams[name]) }}</small></h2>
        <div class="af-picture">
          <canvas :ref="(el) => canvases[name] = el" width="640" height="360" role="img"
            :aria-label="description(name)" :data-seq="streams[name].frame?.seq"></canvas>
          <p v-if="status(name)" class="af-status" role="status">
            <strong>{{ status(name).status }}</strong> <span>{{ status(name).detail }}</span>
          </p>
        </div>
        <div class="af-faces">
          <div v-for="face in streams[name].frame?.faces ?? []" :key="face.track" class="af-face"
              :data-track="face.track">
            <h3>Face #{{ face.track }}
              <small v-if="face.label">{{ face.label }} {{ percent(face.confidence) }}</small>
              <small v-else>no result: {{ face.missing }}</small></h3>
            <p v-if="face.doubts?.length" class="af-doubt"><i class="af-hatch"></i>doubt: {{ face.doubts.join(", ") }}</p>
            <dl v-if="face.probabilities" class="af-bars" :class="{ 'af-hatched': face.doubts?.length }">
              <template v-for="(label, i) in labels" :key="label">
                <dt>{{ label }}</dt>
                <dd :data-share="face.probabilities[i]">
                  <i :style="{ transform: 'scaleX(' + face.probabilities[i] + ')',
                    background: colours[label] }"></i>
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
          <img :src="one.image" :alt="'Picture of ' + one.name">
          <table v-if="one.faces.length">
            <tr><th>{{ one.name }}, frame {{ one.seq }}</th>
              <th v-for="face in one.faces" :key="face.track">#{{ face.track }}</th></tr>
            <tr v-for="(label, i) in labels" :key="label"><th>{{ label }}</th>
              <td v-for="face in one.faces" :key="face.track">
                {{ face.probabilities ? face.probabilities[i].toFixed(3) : "" }}</td></tr>
          </table>
          <p v-else>{{ one.name }}, frame {{ one.seq }}: no face</p>
        </div>
      </section>
    </div>`,
  props: { feed: String, labels: Array, colours: Object, hub: String },
  data() {
    return { streams: {}, pipeline: null, banner: "", snapshot: null };
  },
  computed: {
    names() {
      return Object.keys(this.streams).sort();
    },
    empty() {
      if (this.feed === "replay") return "The replay is starting.";
      if (!this.pipeline) return "Connecting.";
      if (this.pipeline.running) return "The pipeline is running; no stream has started yet.";
      return `No pipeline is running at ${this.hub}. Start one with: affectline up`;
    },
  },
  watch: {
    feed(name) {
      this.clear();
      feed.open(name);
    },
  },
  created() {
    this.canvases = {};
    this.images = {};
  },
  mounted() {
    this.unsubscribes = [
      feed.on("hello", () => this.clear()),
      feed.on("frame", (frame) => this.receive(frame)),
      feed.on("status", (status) => this.showStatus(status)),
      feed.on("reset", () => this.clear()),
      feed.on("disconnected", () => { this.banner = "Disconnected from the server. Reconnecting."; }),
      onKeys({ k: () => this.takeSnapshot() }),
    ];
    feed.open(this.feed);
  },
  unmounted() {
    this.unsubscribes.forEach((unsubscribe) => unsubscribe());
    feed.close();
  },
  methods: {
    clear() {
      this.banner = "";
      this.streams = {};
      this.pipeline = null;
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
      if (pipeline.running || this.feed === "replay") return;
      for (const stream of Object.values(this.streams)) {
        if (stream.status === "ended") continue;
        Object.assign(stream, { status: "no pipeline", detail: `no messages from ${this.hub}` });
      }
    },
    async receive(frame) {
      const { clientId } = feed;
      const isCurrent = () => clientId === feed.clientId; // else the feed was changed meanwhile
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
      stream.frame = Object.freeze(frame); // with the picture, in one repaint
    },
    status(name) {
      const stream = this.streams[name];
      if (stream.status) return { status: stream.status, detail: stream.detail };
      if (!stream.frame) return { status: "waiting", detail: "for the first picture" };
      if (stream.frame.faces.length) return null;
      const { missing } = stream.frame;
      if (missing) return NOT_ANALYSED[missing] ?? { status: "no result", detail: missing };
      if (performance.now() - stream.faceSeen < NO_FACE_MS) return null;
      return { status: "no face", detail: "" };
    },
    frameFacts(stream) {
      if (!stream.frame) return "";
      const { rate, latency, seq } = stream.frame;
      const late = this.feed === "replay" ? "" : `, ${Math.round(latency)} ms`;
      return `frame ${seq}, ${Math.round(rate)} frames/s${late}`;
    },
    description(name) {
      const faces = this.streams[name].frame?.faces ?? [];
      const descriptions = faces.map((f) => `face ${f.track} ${f.label ?? "without a result"}`
        + (f.doubts?.length ? `, doubt: ${f.doubts.join(", ")}` : ""));
      return `${name}: ${descriptions.join(", ") || this.status(name)?.status || "no face"}`;
    },
    signed(value) {
      return (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(2);
    },
    percent(share) {
      return `${Math.round(100 * share)} %`;
    },
    // Download what is on the screen, picture and numbers, and show the numbers here.
    async takeSnapshot() {
      const shown = this.names.filter((name) => this.streams[name].frame);
      if (!shown.length || !feed.clientId) return;
      const query = new URLSearchParams({ viewer: feed.clientId, feed: this.feed });
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
      // Nothing else is shown meanwhile. As no other picture is acknowledged, the server still has
      // the one on the screen.
      const request = fetch(`/snapshot?${query}`, { signal: AbortSignal.timeout(SNAPSHOT_MS) });
      this.snapshotTaken = request.catch(() => null);
      try {
        const response = await request;
        if (!response.ok) throw new Error(await response.text());
        const stamp = now.toISOString().replace(/[-:]/g, "").slice(0, 15);
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
