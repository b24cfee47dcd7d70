// The pictures with their boxes, each face's seven bars, and words where there is no picture.
import { decode, draw, drawBlank, link, onKeys } from "affectline-dashboard";

const NO_FACE_MS = 500; // a face that is missed in a few pictures is no news
const SNAPSHOT_MS = 5000; // how long a snapshot is waited for
const NOT_LOOKED_AT = {
  behind: { word: "behind", detail: "the computer had no time for this picture" },
  invalid: { word: "no picture", detail: "the camera's could not be decoded" },
};
const KEPT_MS = 60_000; // how long the browser may take to begin with a file

export default {
  template: `
    <div class="af-live">
      <p v-if="banner" class="af-banner" role="alert">{{ banner }}</p>
      <p v-if="!banner && !names.length" class="af-empty" role="status">{{ empty }}</p>
      <section v-for="name in names" :key="name" class="af-stream" :data-stream="name"
          :class="{ 'af-stale': banner || streams[name].word }" :aria-label="'Stream ' + name">
        <h2>{{ name }} <small>{{ facts(streams[name]) }}</small></h2>
        <div class="af-picture">
          <canvas :ref="(el) => canvases[name] = el" width="640" height="360" role="img"
            :aria-label="spoken(name)" :data-seq="streams[name].about?.seq"></canvas>
          <p v-if="words(name)" class="af-word" role="status">
            <strong>{{ words(name).word }}</strong> <span>{{ words(name).detail }}</span>
          </p>
        </div>
        <div class="af-faces">
          <div v-for="face in streams[name].about?.faces ?? []" :key="face.track" class="af-face"
              :data-track="face.track">
            <h3>Face #{{ face.track }}
              <small v-if="face.label">{{ face.label }} {{ percent(face.confidence) }}</small>
              <small v-else>no answer: {{ face.missing }}</small></h3>
            <dl v-if="face.probabilities" class="af-bars">
              <template v-for="(label, i) in labels" :key="label">
                <dt>{{ label }}</dt>
                <dd :data-share="face.probabilities[i]">
                  <i :style="{ transform: 'scaleX(' + face.probabilities[i] + ')',
                    background: colours[label] }"></i>
                  <b :style="{ left: 100 * face.smoothed[i] + '%' }"></b>
                  <span>{{ percent(face.probabilities[i]) }}</span></dd>
              </template>
            </dl>
          </div>
        </div>
      </section>
      <section v-if="snapshot" class="af-snapshot" aria-label="Last snapshot" role="status">
        <h2>Snapshot <small>{{ snapshot.when }}, {{ snapshot.told }}</small></h2>
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
  emits: ["mark", "pause"],
  data() {
    return { streams: {}, standing: null, banner: "", snapshot: null };
  },
  computed: {
    names() {
      return Object.keys(this.streams).sort();
    },
    empty() {
      if (this.feed === "replay") return "The replay is about to begin.";
      if (!this.standing) return "Connecting.";
      if (this.standing.running) return "The pipeline is running; no stream has begun yet.";
      return `No pipeline is running at ${this.hub}. Start one with: affectline up`;
    },
  },
  watch: {
    feed(feed) {
      this.forget();
      link.open(feed);
    },
  },
  created() {
    this.canvases = {};
    this.images = {};
  },
  mounted() {
    this.endings = [
      link.on("hello", () => this.forget()),
      link.on("picture", (about) => this.receive(about)),
      link.on("standing", (standing) => this.stand(standing)),
      link.on("curves", (news) => news.reset && this.forget()),
      link.on("gone", () => { this.banner = "The server is gone. Trying to reconnect."; }),
      onKeys({ k: () => this.shoot(), m: () => this.$emit("mark"), p: () => this.$emit("pause") }),
    ];
    link.open(this.feed);
  },
  unmounted() {
    this.endings.forEach((end) => end());
    link.close();
  },
  methods: {
    forget() {
      this.banner = "";
      this.streams = {};
      this.standing = null;
    },
    stream(name) {
      this.streams[name] ??= { about: null, word: "", detail: "", seen: performance.now() };
      return this.streams[name];
    },
    stand(standing) {
      this.standing = standing;
      for (const [name, told] of Object.entries(standing.streams)) {
        Object.assign(this.stream(name), { word: told.word, detail: told.detail });
      }
      if (standing.running || this.feed === "replay") return;
      for (const stream of Object.values(this.streams)) {
        if (stream.word === "ended") continue;
        Object.assign(stream, { word: "no pipeline", detail: `nothing is heard from ${this.hub}` });
      }
    },
    async receive(about) {
      const viewer = link.viewer;
      const isOurs = () => viewer === link.viewer; // not of a feed that was left meanwhile
      try {
        const image = await decode(about);
        await this.held;
        if (isOurs()) await this.show(about, image);
        else image?.close();
      } finally {
        if (isOurs()) link.shown(about.stream);
      }
    },
    async show(about, image) {
      const stream = this.stream(about.stream);
      if (!this.canvases[about.stream]) await this.$nextTick();
      const canvas = this.canvases[about.stream];
      if (!canvas) return;
      if (image) draw(canvas, image, about, this.colours);
      else drawBlank(canvas, about, this.colours);
      image?.close();
      if (about.faces.length || about.missing) stream.seen = performance.now();
      stream.about = Object.freeze(about); // with the picture, in one repaint
    },
    words(name) {
      const stream = this.streams[name];
      if (stream.word) return { word: stream.word, detail: stream.detail };
      if (!stream.about) return { word: "waiting", detail: "for the first picture" };
      if (stream.about.faces.length) return null;
      const { missing } = stream.about;
      if (missing) return NOT_LOOKED_AT[missing] ?? { word: "no answer", detail: missing };
      if (performance.now() - stream.seen < NO_FACE_MS) return null;
      return { word: "no face", detail: "" };
    },
    facts(stream) {
      if (!stream.about) return "";
      const { rate, latency, seq } = stream.about;
      const late = this.feed === "replay" ? "" : `, ${Math.round(latency)} ms`;
      return `frame ${seq}, ${Math.round(rate)} frames/s${late}`;
    },
    spoken(name) {
      const faces = this.streams[name].about?.faces ?? [];
      const said = faces.map((f) => `face ${f.track} ${f.label ?? "without an answer"}`);
      return `${name}: ${said.join(", ") || this.words(name)?.word || "no face"}`;
    },
    percent(share) {
      return `${Math.round(100 * share)} %`;
    },
    // Download what is on the screen, picture and numbers, and show the numbers here.
    async shoot() {
      const shown = this.names.filter((name) => this.streams[name].about);
      if (!shown.length || !link.viewer) return;
      const query = new URLSearchParams({ viewer: link.viewer, feed: this.feed });
      for (const name of shown) {
        const { epoch, seq } = this.streams[name].about;
        query.append("frame", `${name}:${epoch}:${seq}`);
      }
      const now = new Date();
      this.snapshot = {
        told: "on its way",
        when: now.toLocaleTimeString(),
        streams: shown.map((name) => ({
          name,
          seq: this.streams[name].about.seq,
          faces: this.streams[name].about.faces,
          image: this.canvases[name].toDataURL("image/jpeg"),
        })),
      };
      const snapshot = this.snapshot;
      // Nothing else is shown meanwhile. As no other picture is acknowledged, the server still has
      // the one on the screen.
      const answer = fetch(`/snapshot?${query}`, { signal: AbortSignal.timeout(SNAPSHOT_MS) });
      this.held = answer.catch(() => null);
      try {
        const response = await answer;
        if (!response.ok) throw new Error(await response.text());
        const stamp = now.toISOString().replace(/[-:]/g, "").slice(0, 15);
        const file = `snapshot-${stamp}.zip`;
        save(await response.blob(), file);
        snapshot.told = `downloaded as ${file}`;
      } catch (error) {
        snapshot.told = `not downloaded: ${error.message}`;
      }
    },
  },
};

function save(blob, file) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = file;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), KEPT_MS);
}
