// The replay of one session: video, curves, scrubber, markers and annotations.
import { formatMoment, KINDS } from "affectline-dashboard";
import { decode, draw, drawBlank, FeedSocket } from "affectline-web";
import {
  CurveCanvas, formatTime, Overview, panes, placeFlags, readTime, wallClock,
} from "affectline-replay";

const RATES = [0.25, 0.5, 1, 2, 4, 8];
const SPANS = { "whole session": null, "5 min": 300, "1 min": 60, "15 s": 15 };
const FINE_S = 0.1; // if the whole session's points are further apart, a part needs more of them
const DRAG_MS = 250; // how often the replay follows a dragged handle
const AWAITED_MS = 4000; // how long frames from before a jump are ignored
const UNDO_MS = 20_000;
const POLL_MS = 1000; // how often more of a long session is requested
const MOVED_PX = 3; // smaller movements are clicks
const NO_FACE_MS = 500;
const EDGE = 8; // as in the overview
const BELOW = 64; // pixels of margins between the curves and the lower edge of the screen
const TYPING = "input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable], [role=dialog]";
const EMPTY = { begin: 0, end: 1, seconds: 0, zero: 0, gap: 1.5, complete: false, read: 0, curves: [] };

export default {
  template: `
    <section class="af-replay" :class="{ 'af-active': isActive && isOneOfTwo }" :data-session="name"
        :aria-label="'Replay of ' + title" @pointerdown.capture="activate" @focusin="activate">
      <div class="af-replay-title">
        <h2>{{ title }}</h2><small>{{ facts }}</small>
      </div>
      <p v-if="state.problem" class="af-banner" role="alert">{{ state.problem }}</p>
      <div class="af-stage">
        <div class="af-videos" :class="{ 'af-several': names.length > 1 }">
          <p v-if="!names.length" class="af-wait" role="status">{{ waiting }}</p>
          <figure v-for="stream in names" :key="stream" :data-stream="stream">
            <canvas :ref="(el) => canvases[stream] = el" width="640" height="360" role="img"
              :aria-label="describe(stream)" :data-seq="streams[stream].seq"></canvas>
            <figcaption>
              <strong>{{ stream }}</strong>
              <span v-for="face in streams[stream].faces.slice(0, 1)" :key="face.track"
                  class="af-face-now" :class="{ 'af-doubted': face.doubts.length }">
                <span v-for="(label, i) in labels" :key="label" v-show="face.probabilities"
                    :title="label" class="af-cell"><i :style="bar(face, i, label)"></i>
                  <b>{{ label }}</b> {{ percent(face.probabilities?.[i]) }}</span>
                <em v-if="face.doubts.length">not to be trusted: {{ face.doubts.join(", ") }}</em>
              </span>
              <span v-if="!streams[stream].faces.length" class="af-soft">no face</span>
            </figcaption>
          </figure>
        </div>
        <div class="af-replay-curves">
          <div class="af-choice" role="group" aria-label="Curves">
            <button v-for="one in kinds" :key="one.kind" type="button" class="af-chip"
              :aria-pressed="String(!hidden.includes(one.kind))" @click="toggleKind(one.kind)">
              <i :style="{ background: swatch(one) }"></i>{{ one.name }}</button>
            <label>Show <select v-model="span">
              <option v-for="(_, one) in spans" :key="one">{{ one }}</option></select></label>
          </div>
          <p v-if="problem" class="af-banner" role="alert">{{ problem }}</p>
          <p v-else-if="loaded && !shown.length" class="af-soft">{{ noCurves }}</p>
          <div class="af-plot" ref="plot" :style="{ height: plotHeight + 'px' }" role="img"
              :aria-label="'Curves: ' + curveNames" :data-curves="shown.length" :data-points="points"
              :data-begin="view.begin" :data-end="view.end" :data-complete="String(data.complete)"
              @pointermove="hoverAt" @pointerleave="hoverAt(null)" @click="seekInPlot">
            <canvas ref="base"></canvas><canvas ref="top"></canvas>
          </div>
        </div>
      </div>
      <div class="af-transport" ref="transport" role="group" aria-label="Playback">
        <button type="button" class="af-play" :aria-label="isStopped ? 'Play' : 'Pause'" :title="isStopped ? 'Play (Space)' : 'Pause (Space)'"
          @click="togglePlay"><svg viewBox="0 0 24 24" aria-hidden="true"><path :d="isStopped ? 'M7 4v16l13-8z' : 'M6 4h4v16H6zM14 4h4v16h-4z'"/></svg></button>
        <button type="button" aria-label="Previous frame" title="Previous frame (,)" @click="step(-1)">
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M18 5v14l-9-7zM6 5h2v14H6z"/></svg></button>
        <button type="button" aria-label="Next frame" title="Next frame (.)" @click="step(1)">
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 5v14l9-7zM16 5h2v14h-2z"/></svg></button>
        <label class="af-rate">Rate <select :value="state.rate" @change="setRate(Number($event.target.value))">
          <option v-for="rate in rates" :key="rate" :value="rate">{{ rate }} ×</option></select></label>
        <output class="af-clock" :data-position="position.toFixed(3)">{{ time(position) }}
          <small>of {{ time(seconds) }}</small> <small class="af-wall">{{ clockTime }}</small></output>
        <button type="button" title="Download the frame and its results (K)" @click="takeSnapshot">Snapshot <kbd>K</kbd></button>
        <span class="af-state" role="status">{{ stateWords }}</span>
        <span class="af-marking">
          <input v-model="label" class="af-text" maxlength="1000" placeholder="Label"
            aria-label="Label of the next marker or annotation" @keydown.enter="addMarker">
          <button type="button" @click="addMarker">Marker <kbd>M</kbd></button>
          <button type="button" :aria-pressed="String(begun !== null)" @click="annotate">
            {{ begun === null ? "Annotation begins" : "Annotation ends" }} <kbd>A</kbd></button>
        </span>
      </div>
      <div class="af-timeline" ref="timeline">
        <div class="af-flags" :style="{ height: flagsHeight + 'px' }">
          <span v-for="flag in flags" :key="flag.key" v-show="flag.lane !== null" class="af-flag"
            :style="{ left: flag.start + 'px', top: (flag.lane ?? 0) * 20 + 'px', maxWidth: flag.room + 'px' }"
            aria-hidden="true">{{ flag.label }}</span>
        </div>
        <div class="af-scrubber" ref="scrubber" role="slider" tabindex="0" aria-label="Position in the session"
            aria-valuemin="0" :aria-valuemax="seconds.toFixed(1)" :aria-valuenow="position.toFixed(1)"
            :aria-valuetext="time(position) + ' of ' + time(seconds)" :data-points="overviewPoints"
            @keydown="onSliderKey" @pointerdown="beginScrub" @pointermove="scrub" @pointerup="endScrub"
            @pointercancel="endScrub">
          <canvas ref="overview" aria-hidden="true"></canvas>
          <span class="af-handle" :style="{ left: place(position) + 'px' }"></span>
        </div>
        <button v-for="flag in flags" :key="flag.key" type="button" class="af-tick" :data-key="flag.key"
            :style="{ left: flag.left + 'px', bottom: 18 * lanes + 21 + 'px', top: (flag.lane === null ? flagsHeight : flag.lane * 20) + 'px' }"
            :aria-label="'Marker ' + flag.label + ' at ' + time(flag.at) + ': arrows move it, Delete deletes it'"
            @pointerdown.stop="beginDrag($event, 'marker', flag, 'all')" @pointermove="drag" @pointerup="endDrag"
            @pointercancel="dragged = null" @keydown="onTickKey($event, flag)" @blur="keepNudge">
          <span class="af-tip" role="presentation">{{ time(flag.at) }} {{ flag.label }}</span></button>
        <div class="af-spans" :style="{ height: 18 * lanes + 'px' }">
          <div v-for="one in spansShown" :key="one.key" class="af-span" :class="{ 'af-left-out': one.excluded, 'af-open': one.isOpen }"
              :style="{ left: place(one.at) + 'px', width: Math.max(6, place(one.end) - place(one.at)) + 'px', top: one.lane * 18 + 'px' }"
              :title="time(one.at) + ' to ' + time(one.end) + ' ' + one.label" :data-key="one.key"
              @pointerdown.stop="one.isOpen || beginDrag($event, 'annotation', one, partOf($event))" @pointermove="drag"
              @pointerup="endDrag" @pointercancel="dragged = null"><span>{{ one.label }}</span></div>
        </div>
      </div>
      <div class="af-marks">
        <section :aria-label="'Markers' + ofSession">
          <h3>Markers <small>{{ shownMarkers.length || "none" }}</small></h3>
          <ul class="af-rows">
            <li v-for="one in shownMarkers" :key="one.key" :data-key="one.key">
              <button type="button" class="af-go" :aria-label="'Go to ' + time(one.at) + ': ' + one.label" @click="seek(one.at)">▸</button>
              <input class="af-text af-time" :value="valueOf(one, 'at')" @input="type($event, one, 'at')" @blur="typed = null" aria-label="Time" maxlength="20" @change="retime($event, 'marker', one, 'at')">
              <input class="af-text af-label" :value="valueOf(one, 'label')" @input="type($event, one, 'label')" @blur="typed = null" aria-label="Label" maxlength="1000" @change="change('marker', one, { label: $event.target.value })">
              <small v-if="one.was || one.added" class="af-soft">{{ one.was ?? "added afterwards" }}</small>
              <button type="button" class="af-delete" :aria-label="'Delete the marker ' + one.label" @click="remove('marker', one)">Delete</button>
            </li>
          </ul>
        </section>
        <section :aria-label="'Annotations' + ofSession">
          <h3>Annotations <small>{{ annotations.length || "none" }}</small></h3>
          <ul class="af-rows">
            <li v-for="one in annotations" :key="one.key" :data-key="one.key">
              <button type="button" class="af-go" :aria-label="'Go to ' + time(one.at) + ': ' + one.label" @click="seek(one.at)">▸</button>
              <input class="af-text af-time" :value="valueOf(one, 'at')" @input="type($event, one, 'at')" @blur="typed = null" aria-label="From" maxlength="20" @change="retime($event, 'annotation', one, 'at')">
              <input class="af-text af-time" :value="valueOf(one, 'end')" @input="type($event, one, 'end')" @blur="typed = null" aria-label="To" maxlength="20" @change="retime($event, 'annotation', one, 'end')">
              <input class="af-text af-label" :value="valueOf(one, 'label')" @input="type($event, one, 'label')" @blur="typed = null" aria-label="Label" maxlength="1000" @change="change('annotation', one, { label: $event.target.value })">
              <label class="af-check"><input type="checkbox" :checked="one.excluded" @change="change('annotation', one, { excluded: $event.target.checked })">
                left out of studies</label>
              <button type="button" class="af-delete" :aria-label="'Delete the annotation ' + one.label" @click="remove('annotation', one)">Delete</button>
            </li>
          </ul>
        </section>
        <p class="af-soft">Kept beside the recording, which is never changed.</p>
      </div>
      <div v-if="said" class="af-said" :class="{ 'af-wrong': said.isProblem }" :role="said.isProblem ? 'alert' : 'status'">
        <span>{{ said.text }}</span>
        <button v-if="said.canUndo" type="button" @click="undo">Undo</button>
        <button type="button" aria-label="Close" @click="said = null">×</button>
      </div>
    </section>`,
  props: { name: String, title: String, about: Array, feed: String, zero: Number, length: Number, begins: Object,
    labels: Array, doubts: Array, marks: Object, sides: Number },
  emits: ["act"],
  data() {
    return {
      state: this.begins, // the current state: another page may have paused the replay
      streams: {}, position: 0, data: EMPTY, part: null, problem: "", loaded: false,
      span: "whole session", hidden: KINDS.filter((one) => !one.isShown).map((one) => one.kind),
      view: { begin: 0, end: 1 }, plotHeight: 300, points: 0, overviewPoints: 0, width: 0,
      label: "", begun: null, dragged: null, nudged: null, typed: null, said: null, isActive: false,
      isConnected: false, wasReady: false,
    };
  },
  computed: {
    rates: () => RATES,
    spans: () => SPANS,
    isOneOfTwo() {
      return this.sides > 1;
    },
    facts() {
      return [this.zero ? formatMoment(this.zero) : "", ...this.about].filter(Boolean).join(" · ");
    },
    ofSession() {
      return this.isOneOfTwo ? ` of ${this.title}` : "";
    },
    seconds() {
      return this.data.seconds || this.length;
    },
    names() {
      return Object.keys(this.streams).sort();
    },
    waiting() {
      if (!this.isConnected) return "Connecting.";
      return this.wasReady ? "No video in this session." : "The replay is starting.";
    },
    isStopped() {
      return this.state.paused || this.state.ended;
    },
    stateWords() {
      if (this.state.ended) return "at the end";
      return this.state.paused ? "paused" : "";
    },
    clockTime() {
      return wallClock(this.zero + 1000 * this.position);
    },
    kinds() {
      const there = new Set(this.data.curves.map(({ kind }) => kind));
      return KINDS.filter(({ kind }) => there.has(kind));
    },
    shown() {
      return this.data.curves.filter(({ kind }) => !this.hidden.includes(kind));
    },
    curveNames() {
      return this.shown.map(({ kind, of }) => `${KINDS.find((one) => one.kind === kind).name}, ${of}`)
        .join("; ") || "none";
    },
    noCurves() {
      return this.data.curves.length ? "All curves are hidden." : "Nothing was measured in this session.";
    },
    shownMarkers() {
      return this.marks.markers.map((one) => this.moved(one)).sort((a, b) => a.at - b.at);
    },
    annotations() {
      return this.marks.annotations.map((one) => this.moved(one)).sort((a, b) => a.at - b.at);
    },
    flags() {
      return placeFlags(this.shownMarkers, this.seconds, this.width);
    },
    flagsHeight() {
      return 20 * (1 + Math.max(-1, ...this.flags.map(({ lane }) => lane ?? -1)));
    },
    lanes() {
      return this.spansShown.reduce((most, { lane }) => Math.max(most, lane + 1), 0);
    },
    spansShown() {
      const open = this.begun === null ? [] : [{ key: "open", label: this.label || "…", isOpen: true,
        at: Math.min(this.begun, this.position), end: Math.max(this.begun, this.position) }];
      const ends = [];
      return [...this.annotations, ...open].sort((a, b) => a.at - b.at).map((one) => {
        let lane = ends.findIndex((end) => end <= one.at);
        if (lane < 0) lane = ends.length;
        ends[lane] = one.end;
        return { ...one, lane };
      });
    },
  },
  watch: {
    span() {
      this.part = null;
      this.follow(true);
    },
    hidden() {
      this.layOut();
    },
    marks() {
      this.drawCurves();
    },
    flagsHeight() {
      this.$nextTick(() => this.layOut());
    },
  },
  created() {
    this.canvases = {};
    this.socket = new FeedSocket();
    this.soughtAt = null;
    this.hover = null;
    this.lastSent = 0;
  },
  mounted() {
    panes.add(this);
    this.isActive = panes.active === this;
    this.overview = new Overview(this.$refs.overview);
    this.chart = new CurveCanvas(this.$refs.base, this.$refs.top);
    this.unsubscribes = [
      this.socket.on("hello", () => this.clear()),
      this.socket.on("frame", (frame) => this.receive(frame)),
      this.socket.on("reset", () => this.reset()),
      this.socket.on("replay", (state) => this.follows(state)),
      this.socket.on("disconnected", () => this.lose()),
    ];
    this.socket.open(this.feed);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => this.layOut();
    this.scheme.addEventListener("change", this.redraw);
    addEventListener("resize", this.redraw);
    this.resizes = new ResizeObserver(() => {
      if (this.$refs.timeline.clientWidth !== this.width) this.layOut();
    });
    this.resizes.observe(this.$refs.timeline);
    this.onKey = (event) => this.pressKey(event);
    document.addEventListener("keydown", this.onKey);
    this.layOut();
    this.load();
  },
  unmounted() {
    panes.remove(this);
    clearTimeout(this.timer);
    this.unsubscribes.forEach((unsubscribe) => unsubscribe());
    this.socket.close();
    this.resizes.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
    removeEventListener("resize", this.redraw);
    document.removeEventListener("keydown", this.onKey);
  },
  methods: {
    time: formatTime,
    act(what) {
      this.$emit("act", what);
    },
    activate() {
      panes.active = this;
      panes.all.forEach((pane) => { pane.isActive = pane === this; });
    },

    // Feed
    clear() {
      this.isConnected = true;
      this.streams = {};
    },
    reset() {
      this.soughtAt = null;
      for (const stream of Object.values(this.streams)) stream.faces = [];
    },
    lose() {
      if (this.isConnected) this.act({ do: "open" }); // the replay may have been closed meanwhile
      this.isConnected = false;
    },
    follows({ position, ...state }) {
      this.state = state;
      if (!this.names.length && !this.isAwaited()) this.goTo(position);
      if (state.ended) this.goTo(this.seconds);
      if (position > 0 || state.ended) this.wasReady = true;
    },
    isAwaited() {
      return this.soughtAt !== null && performance.now() - this.soughtAt < AWAITED_MS;
    },
    async receive(frame) {
      const { clientId } = this.socket;
      try {
        const image = await decode(frame);
        if (clientId === this.socket.clientId) await this.show(frame, image);
      } finally {
        if (clientId === this.socket.clientId) this.socket.acknowledge(frame.stream);
      }
    },
    async show(frame, image) {
      const known = this.streams[frame.stream] ??= { seq: -1, faces: [], faceSeen: 0 };
      const faces = frame.faces.map((face) => ({ ...face, doubts: face.doubts ?? [] }))
        .sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
      const isAway = !faces.length && performance.now() - known.faceSeen > NO_FACE_MS;
      if (faces.length) known.faceSeen = performance.now();
      if (faces.length || isAway || this.isStopped) known.faces = faces;
      known.seq = frame.seq;
      known.epoch = frame.epoch;
      await this.$nextTick();
      const canvas = this.canvases[frame.stream];
      if (!canvas) return;
      const style = getComputedStyle(this.$el);
      const shades = Object.fromEntries(this.labels.map((label) => (
        [label, style.getPropertyValue(`--${label}`).trim()])));
      if (image) draw(canvas, image, frame, shades);
      else drawBlank(canvas, frame, shades);
      image?.close();
      if (!this.isAwaited()) this.goTo((frame.at - this.zero) / 1000);
    },
    goTo(seconds) {
      if (this.scrubbing) return;
      this.position = Math.min(Math.max(0, seconds), this.seconds);
      this.follow();
      this.point();
    },

    // Playback
    togglePlay() {
      const paused = !this.isStopped;
      for (const pane of panes.with(this)) pane.setPaused(paused);
    },
    setPaused(paused) {
      this.act({ do: "pause", paused });
      this.state = { ...this.state, paused, ended: this.state.ended && paused };
    },
    setRate(rate) {
      for (const pane of panes.with(this)) {
        pane.state = { ...pane.state, rate };
        pane.act({ do: "seek", at: pane.position, rate });
      }
    },
    step(direction) {
      for (const pane of panes.with(this)) {
        pane.state = { ...pane.state, paused: true };
        pane.act({ do: "step", back: direction < 0, at: pane.position });
      }
    },
    seek(seconds) {
      for (const pane of panes.with(this)) pane.seekAlone(seconds);
    },
    seekAlone(seconds) {
      const at = Math.min(Math.max(0, seconds), this.seconds);
      this.soughtAt = performance.now();
      this.position = at;
      this.follow();
      this.point();
      this.act({ do: "seek", at });
    },

    // Download the displayed frames and their results.
    async takeSnapshot() {
      const query = new URLSearchParams({ viewer: this.socket.clientId, feed: this.feed });
      for (const stream of this.names) {
        query.append("frame", `${stream}:${this.streams[stream].epoch}:${this.streams[stream].seq}`);
      }
      if (!this.names.length) return;
      try {
        const response = await fetch(`/snapshot?${query}`);
        if (!response.ok) throw new Error(await response.text());
        const anchor = document.createElement("a");
        anchor.href = URL.createObjectURL(await response.blob());
        anchor.download = `snapshot-${this.name}-${this.position.toFixed(1)}s.zip`;
        anchor.click();
        setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000);
        this.tell({ text: `Downloaded as ${anchor.download}.` });
      } catch (error) {
        this.tell({ text: `Not downloaded: ${error.message}`, isProblem: true });
      }
    },

    // Keyboard
    pressKey(event) {
      if (panes.active !== this || event.altKey || event.metaKey) return;
      const { target } = event;
      if (target instanceof Element && target.closest(TYPING)) return;
      if (event.ctrlKey) {
        if (event.key === "z") {
          event.preventDefault();
          this.undo();
        }
        return;
      }
      const isPressed = target instanceof Element && target.closest("button, a, summary, [role=switch], [role=checkbox]");
      if (event.key === " " && isPressed) return;
      const key = event.key.toLowerCase();
      const once = { " ": () => this.togglePlay(), p: () => this.togglePlay(), m: () => this.addMarker(),
        a: () => this.annotate(), k: () => this.takeSnapshot(), escape: () => { this.begun = null; this.dragged = null; } }[key];
      const many = { ",": () => this.step(-1), ".": () => this.step(1) }[key];
      const isOwn = target === document.body || this.$el.contains(target);
      if (once && !event.repeat) once();
      else if (many) many();
      else if (!(isOwn && target !== this.$refs.scrubber && !event.defaultPrevented && this.moveByKey(event))) return;
      if (key !== "escape") event.preventDefault();
    },
    onSliderKey(event) {
      if (this.moveByKey(event)) event.preventDefault();
    },
    moveByKey({ key, shiftKey }) {
      const far = shiftKey ? 5 : 1;
      const to = {
        ArrowLeft: this.position - far, ArrowDown: this.position - far,
        ArrowRight: this.position + far, ArrowUp: this.position + far,
        PageDown: this.position + this.seconds / 10, PageUp: this.position - this.seconds / 10,
        Home: 0, End: this.seconds,
      }[key];
      const isSlider = document.activeElement === this.$refs.scrubber;
      if (to === undefined || (!isSlider && /^(ArrowUp|ArrowDown|Page|Home|End)/.test(key))) return false;
      this.seek(to);
      return true;
    },

    // Scrubber
    place(seconds) {
      const inner = this.width - 2 * EDGE;
      return EDGE + Math.min(Math.max(seconds / (this.seconds || 1), 0), 1) * inner;
    },
    secondAt(event) {
      const { left } = this.$refs.timeline.getBoundingClientRect();
      const share = (event.clientX - left - EDGE) / (this.width - 2 * EDGE);
      return Math.min(Math.max(share, 0), 1) * this.seconds;
    },
    beginScrub(event) {
      if (event.button) return;
      this.$refs.scrubber.setPointerCapture(event.pointerId);
      this.scrubbing = true;
      this.scrub(event);
    },
    scrub(event) {
      if (!this.scrubbing) return;
      this.position = this.secondAt(event);
      this.follow();
      this.point();
      if (performance.now() - this.lastSent < DRAG_MS) return;
      this.lastSent = performance.now();
      this.seek(this.position);
    },
    endScrub() {
      if (!this.scrubbing) return;
      this.scrubbing = false;
      this.seek(this.position);
    },

    // Markers and annotations
    moved(one) {
      const now = [this.dragged, this.nudged].find((change) => change && change.key === one.key);
      return now ? { ...one, at: now.at, ...(one.end === undefined ? {} : { end: now.end }) } : one;
    },
    addMarker() {
      this.act({ do: "add", of: "marker", at: this.position, label: this.label.trim() || "marker" });
      this.label = "";
    },
    annotate() {
      if (this.begun === null) {
        this.begun = this.position;
        return;
      }
      const [at, end] = [Math.min(this.begun, this.position), Math.max(this.begun, this.position)];
      this.begun = null;
      this.act({ do: "add", of: "annotation", at, end, label: this.label.trim() || "annotation" });
      this.label = "";
    },
    // Keep what is being typed when updates arrive.
    type(event, one, name) {
      this.typed = { key: one.key, name, text: event.target.value };
    },
    valueOf(one, name) {
      const { typed } = this;
      if (typed && typed.key === one.key && typed.name === name) return typed.text;
      return name === "label" ? one.label : this.time(one[name]);
    },
    change(of, one, fields) {
      this.typed = null;
      this.act({ do: "change", of, key: one.key, ...fields });
    },
    retime(event, of, one, name) {
      const seconds = readTime(event.target.value);
      if (seconds === null) {
        this.tell({ text: `${event.target.value}: not a time; 0:01:02.5, for example`, isProblem: true });
        this.typed = null;
        event.target.value = this.time(one[name]);
        return;
      }
      this.change(of, one, { [name]: seconds });
    },
    remove(of, one) {
      this.act({ do: "delete", of, key: one.key });
    },
    partOf(event) {
      const { left, width } = event.currentTarget.getBoundingClientRect();
      const edge = Math.min(10, width / 3);
      if (event.clientX - left < edge) return "begin";
      return left + width - event.clientX < edge ? "end" : "all";
    },
    beginDrag(event, of, one, part) {
      if (event.button) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      this.grabbed = { of, one, part, x: event.clientX, second: this.secondAt(event) };
    },
    drag(event) {
      const { grabbed } = this;
      if (!grabbed || (!this.dragged && Math.abs(event.clientX - grabbed.x) < MOVED_PX)) return;
      const { one, part } = grabbed;
      let by = this.secondAt(event) - grabbed.second;
      if (part !== "end") by = Math.max(by, -one.at);
      const at = part === "end" ? one.at : one.at + by;
      const end = part === "begin" ? one.end : (one.end ?? 0) + by;
      const least = this.seconds / 2000;
      this.dragged = { key: one.key, at: part === "begin" ? Math.min(at, one.end - least) : at,
        end: part === "end" ? Math.max(end, one.at + least) : end };
      this.drawCurves();
    },
    endDrag() {
      const { grabbed, dragged } = this;
      this.grabbed = null;
      if (!grabbed) return;
      if (!dragged) {
        this.seek(grabbed.one.at);
        return;
      }
      const fields = grabbed.of === "marker" ? { at: dragged.at } : { at: dragged.at, end: dragged.end };
      this.change(grabbed.of, grabbed.one, fields);
    },
    onTickKey(event, flag) {
      const far = event.shiftKey ? 1 : 0.1;
      const by = { ArrowLeft: -far, ArrowRight: far }[event.key];
      if (by) this.nudged = { key: flag.key, at: Math.max(0, flag.at + by) };
      else if (event.key === "Enter" && this.nudged) this.keepNudge();
      else if (event.key === "Enter") this.seek(flag.at);
      else if (event.key === "Delete" || event.key === "Backspace") this.remove("marker", flag);
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    keepNudge() {
      const { nudged } = this;
      if (nudged) this.act({ do: "change", of: "marker", key: nudged.key, at: nudged.at });
    },
    undo() {
      this.said = null;
      this.act({ do: "undo" });
    },
    // Called by the server: reports what was done, or why it was not.
    tell({ text, canUndo = false, isProblem = false }) {
      clearTimeout(this.saidTimer);
      this.said = { text, canUndo, isProblem };
      this.dragged = this.nudged = null;
      if (!isProblem) this.saidTimer = setTimeout(() => { this.said = null; }, UNDO_MS);
    },
    // Called by the server: go to a frame.
    showFrame(seconds) {
      this.soughtAt = performance.now();
      this.position = seconds;
      this.point();
    },

    // Curves
    async load() {
      try {
        const response = await fetch(`/replay/${this.name}/curves`);
        if (!response.ok) throw new Error(await response.text());
        this.data = Object.freeze(await response.json());
        this.loaded = true;
        this.layOut();
        if (!this.data.complete) this.timer = setTimeout(() => this.load(), POLL_MS);
      } catch (error) {
        this.problem = `The curves cannot be shown: ${error.message}`;
      }
    },
    toggleKind(kind) {
      this.hidden = this.hidden.includes(kind)
        ? this.hidden.filter((one) => one !== kind) : [...this.hidden, kind];
    },
    swatch({ kind, parts }) {
      const names = kind === "expression" ? this.labels : parts;
      const part = 100 / names.length;
      const stripes = names.map((one, i) => `var(--${one}) ${part * i}% ${part * (i + 1)}%`);
      return `linear-gradient(90deg, ${stripes.join(", ")})`;
    },
    // Keep the position in view.
    follow(isNew = false) {
      const length = SPANS[this.span];
      const { begin, end } = this.view;
      if (length === null || length >= this.seconds) {
        if (begin !== 0 || end !== this.seconds || isNew) this.setView(0, this.seconds);
      } else if (isNew || end - begin !== length || this.position < begin || this.position > end - length / 20) {
        const from = Math.max(0, Math.min(this.position - length / 5, this.seconds - length));
        if (from !== begin || end - begin !== length || isNew) this.setView(from, from + length);
      }
    },
    setView(begin, end) {
      this.view = { begin, end };
      this.loadPart();
      this.drawCurves();
    },
    // Load more points for the visible part if the whole session has too few.
    async loadPart() {
      const { begin, end } = this.view;
      const isWhole = end - begin >= this.seconds;
      if (isWhole || (this.data.complete && this.seconds / 1000 <= FINE_S)) return;
      if (this.part && this.part.begin <= begin && this.part.end >= Math.min(end, this.seconds)) return;
      const [from, to] = [Math.max(0, begin - (end - begin) / 2), end + (end - begin)];
      const asked = this.asked = `/replay/${this.name}/curves?begin=${from}&end=${to}`;
      const response = await fetch(asked).catch(() => null);
      if (this.asked !== asked || !response?.ok) return; // keep the whole session's points
      this.part = Object.freeze(await response.json());
      this.drawCurves();
    },
    layOut() {
      const timeline = this.$refs.timeline;
      if (!timeline) return;
      this.width = timeline.clientWidth;
      const plot = this.$refs.plot;
      const isBeside = innerWidth > 1000 && !this.isOneOfTwo;
      const stage = plot.getBoundingClientRect().top + scrollY;
      const { transport } = this.$refs; // keep it and the scrubber above the fold
      const below = transport.offsetHeight + timeline.offsetHeight + BELOW;
      const room = isBeside ? Math.max(300, innerHeight - stage - below) : 0;
      const has = this.shown.some(({ kind }) => kind === "expression");
      this.plotHeight = this.shown.length ? CurveCanvas.height(this.shown.length, has, room) : 40;
      this.follow(true);
      this.$nextTick(() => {
        this.drawOverview();
        this.drawCurves();
      });
    },
    drawOverview() {
      const scrubber = this.$refs.scrubber;
      if (!scrubber) return;
      this.overviewPoints = this.overview.draw({ ...this.data, seconds: this.seconds },
        { width: this.width, height: scrubber.clientHeight, labels: this.labels });
    },
    drawCurves() {
      const width = this.$refs.plot?.clientWidth;
      if (!width) return;
      const { begin, end } = this.view;
      const { part } = this;
      const isCovered = part && part.begin <= begin && part.end >= Math.min(end, this.seconds);
      const data = this.drawn = isCovered ? part : this.data;
      const curves = data.curves.filter(({ kind }) => !this.hidden.includes(kind));
      this.chart.draw(data, { width, height: this.plotHeight, begin, end, curves, labels: this.labels,
        markers: this.shownMarkers, annotations: this.annotations });
      this.points = curves.reduce((sum, { bands, lines }) => sum + (bands?.length ?? 0)
        + (lines ?? []).reduce((n, { points }) => n + points.length, 0), 0);
      this.point();
    },
    point() {
      if (!this.drawn) return;
      this.chart.point(this.drawn, { position: this.position, hover: this.hover, labels: this.labels,
        doubts: this.doubts });
    },
    hoverAt(event) {
      this.hover = event && event.pointerType === "mouse"
        ? this.chart.second(event.clientX - this.$refs.plot.getBoundingClientRect().left) : null;
      this.point();
    },
    seekInPlot(event) {
      this.seek(this.chart.second(event.clientX - this.$refs.plot.getBoundingClientRect().left));
    },

    // Texts
    describe(stream) {
      const faces = this.streams[stream].faces.map((face) => `face ${face.track} ${face.label ?? ""}`);
      return `${stream}: ${faces.join(", ") || "no face"}`;
    },
    percent(share) {
      return share === undefined ? "" : `${Math.round(100 * share)} %`;
    },
    bar(face, i, label) {
      return { transform: `scaleX(${face.probabilities?.[i] ?? 0})`, background: `var(--${label})` };
    },
  },
};
