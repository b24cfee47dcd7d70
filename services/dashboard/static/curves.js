// The curves of the last minutes, extended as updates arrive.
import { echarts } from "nicegui-echart";
import {
  chartOption, findDoubts, formatClock, hatching, KINDS, layOut, partsOf, placeMarkers, remember,
  remembered,
} from "affectline-dashboard";
import { feed } from "affectline-web";

const KEPT_MS = 300_000;
const MARKERS_KEPT = 200; // the newest, as on the server
const DOUBTS_LISTED = 4; // number of newest doubted stretches to list
const SPANS = { "30 s": 30_000, "1 min": 60_000, "5 min": 300_000 };
const LEAST_MS = 10_000; // minimum length of the time axis
const BELOW = 88; // pixels below the chart, for the legend
const NARROW = 1100; // on screens narrower than this, in pixels, the curves are below the video

// Where the time axis ends: at the latest value, unless it is far beyond most others, because the
// clock of its sensor is wrong. Markers do not count: a tool may be wrong about the time as well.
function endOf(ends) {
  const ordered = [...ends].sort((a, b) => a - b);
  const middle = ordered[Math.floor((ordered.length - 1) / 2)];
  return Math.max(...ordered.filter((end) => end <= middle + KEPT_MS));
}

export default {
  template: `
    <div class="af-curves">
      <div class="af-choice" role="group" aria-label="Curves">
        <button v-for="one in kinds" :key="one.kind" type="button" class="af-chip"
            :aria-pressed="String(!hidden.includes(one.kind))" :data-kind="one.kind"
            @click="toggle(one.kind)">
          <i :style="{ background: swatch(one.kind) }"></i>{{ one.name }}</button>
        <label>Last <select v-model="span">
          <option v-for="name in spans" :key="name">{{ name }}</option></select></label>
      </div>
      <ul v-if="lost.length" class="af-lost" role="alert">
        <li v-for="one in lost" :key="one.name">sensor lost: {{ one.name }}, {{ one.detail }}</li>
      </ul>
      <p v-if="!height" class="af-soft">{{ noCurves }}</p>
      <div class="af-plot">
        <div ref="chart" class="af-chart" :style="{ height: height + 'px' }" role="img"
          :aria-label="description" :data-rows="rows.length" :data-markers="shownMarkers"
          :data-doubts="doubted.length"></div>
        <span v-for="(one, i) in flags" :key="i" class="af-flag" :title="clock(one.at) + ' ' + one.label"
          :style="{ left: one.left + 'px', top: one.top + 'px', maxWidth: one.room + 'px' }">{{ one.label }}</span>
      </div>
      <p v-if="shows('expression')" class="af-legend" aria-label="Colours of the expressions">
        <span v-for="label in labels" :key="label"><i :style="{ background: 'var(--' + label + ')' }"></i>{{ label }}</span>
        <span><i class="af-hatch"></i>not to be trusted</span>
      </p>
      <p v-if="shows('nervousness')" class="af-legend">Nervousness, 0 to 100, is a stress index from heart and skin.</p>
      <ul v-if="doubted.length" class="af-markers" aria-label="Stretches not to be trusted">
        <li v-for="one in lastDoubted" :key="one.row + one.from"><i class="af-hatch"></i>
          <time>{{ clock(one.from) }} to {{ clock(one.to) }}</time> {{ one.words }}</li>
      </ul>
      <ol v-if="lastMarkers.length" class="af-markers" aria-label="Markers">
        <li v-for="(one, i) in lastMarkers" :key="i"><time>{{ clock(one.at) }}</time> {{ one.label }}</li>
      </ol>
    </div>`,
  props: { labels: Array, doubts: Array },
  data() {
    return { span: "1 min", height: 0, rows: [], areHidden: false, lastMarkers: [], shownMarkers: 0, lost: [],
      doubted: [], flags: [],
      hidden: remembered("hidden-curves", KINDS.filter((one) => !one.isShown).map((one) => one.kind)) };
  },
  computed: {
    spans: () => Object.keys(SPANS),
    kinds: () => KINDS,
    lastDoubted() {
      return this.doubted.slice(-DOUBTS_LISTED).reverse();
    },
    noCurves() {
      return this.areHidden ? "All curves are hidden." : "Curves appear with the first face or signal.";
    },
    description() {
      const names = this.rows.map((row) => row.title).join("; ");
      const { length } = this.doubted;
      return `Curves: ${names || (this.areHidden ? "all hidden" : "none yet")}${length ? `; ${length} stretches not to be trusted` : ""}`;
    },
  },
  watch: {
    span() {
      this.draw();
    },
  },
  created() {
    this.curves = {};
    this.markers = [];
    this.zero = null; // zero of the session's time line; only for films
    this.stream = null; // the stream in focus
    this.rowNames = "";
    this.layout = null; // the newest one
  },
  mounted() {
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => this.draw();
    let width = 0; // only the width matters: the height depends on what is drawn
    this.resizeObserver = new ResizeObserver(() => {
      if (this.$el.clientWidth === width) return;
      width = this.$el.clientWidth;
      this.draw();
    });
    this.resizeObserver.observe(this.$el);
    this.scheme.addEventListener("change", this.redraw);
    addEventListener("resize", this.redraw);
    document.addEventListener("visibilitychange", this.redraw);
    this.unsubscribes = [
      feed.on("curves", (update) => this.add(update)),
      feed.on("status", (status) => this.showLost(status)),
      feed.on("focus", ({ stream }) => {
        this.stream = stream;
        this.draw();
      }),
      feed.on("disconnected", () => { this.lost = []; }),
    ];
  },
  unmounted() {
    this.unsubscribes.forEach((unsubscribe) => unsubscribe());
    this.resizeObserver.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
    removeEventListener("resize", this.redraw);
    document.removeEventListener("visibilitychange", this.redraw);
    this.chart?.dispose();
  },
  methods: {
    add({ reset, zero, series, markers }) {
      this.zero = zero;
      if (reset) {
        this.curves = {};
        this.markers = [];
      }
      for (const [name, { points, ...attributes }] of Object.entries(series)) {
        this.curves[name] ??= { points: [] };
        Object.assign(this.curves[name], attributes);
        this.curves[name].points.push(...points);
      }
      this.markers = [...this.markers, ...markers].slice(-MARKERS_KEPT);
      this.lastMarkers = this.markers.slice(-5).reverse();
      this.draw();
    },
    toggle(kind) {
      this.hidden = this.hidden.includes(kind)
        ? this.hidden.filter((one) => one !== kind) : [...this.hidden, kind];
      remember("hidden-curves", this.hidden);
      this.draw();
    },
    shows(kind) {
      return this.rows.some((row) => row.kind === kind);
    },
    // A swatch of stripes in the colours of a kind's lines.
    swatch(kind) {
      const names = kind === "expression" ? this.labels : partsOf(kind);
      const part = 100 / names.length;
      const stripes = names.map((name, i) => `var(--${name}) ${part * i}% ${part * (i + 1)}%`);
      return `linear-gradient(90deg, ${stripes.join(", ")})`;
    },
    // List the curves of lost sensors.
    showLost({ sensors, lost_sensors: processes }) {
      const signals = sensors.filter(({ status }) => status).map(({ subject, signal, detail }) => (
        { name: `${signal.replaceAll("_", " ")} of ${subject}`, detail }));
      this.lost = [...processes, ...signals];
    },
    // Height left on the screen below the chart's upper edge, if it is beside the video.
    room() {
      if (innerWidth < NARROW) return 0;
      const top = this.$refs.chart.getBoundingClientRect().top + scrollY;
      return Math.max(0, innerHeight - top - BELOW);
    },
    async draw() {
      if (document.hidden) return;
      const end = endOf(Object.values(this.curves).map(({ points }) => points.at(-1)[0]));
      this.forgetBefore(end - KEPT_MS);
      const firsts = Object.values(this.curves).map(({ points }) => points[0][0]);
      const begin = Math.min(end - LEAST_MS, Math.max(end - SPANS[this.span], Math.min(...firsts)));
      const style = getComputedStyle(this.$el);
      const colour = (name) => style.getPropertyValue(`--${name}`).trim();
      const layout = layOut(this.curves, { begin, labels: this.labels, colour,
        hidden: this.hidden, stream: this.stream, room: this.room() });
      this.layout = layout;
      this.doubted = findDoubts(layout.rows, this.doubts);
      this.rows = layout.rows;
      this.areHidden = layout.areHidden;
      this.height = layout.height;
      this.flags = [];
      if (!layout.rows.length) {
        this.clearChart();
        return;
      }
      const markers = this.markers.filter(({ at }) => at >= begin && at <= end);
      this.shownMarkers = markers.length;
      await this.$nextTick();
      const width = this.$refs.chart?.clientWidth;
      if (!width || this.layout !== layout) return; // hidden, or drawn again meanwhile
      this.flags = placeMarkers(markers, { begin, end, width });
      this.chart ??= echarts.init(this.$refs.chart);
      const rowNames = layout.rows.map((row) => row.name).join();
      const notMerge = rowNames !== this.rowNames;
      this.rowNames = rowNames;
      this.chart.resize();
      const [ink, faint, paper] = ["ink", "line", "card"].map(colour);
      const { zero } = this;
      const hatch = hatching(ink, paper);
      const option = chartOption(layout, { begin, end, zero, markers, ink, faint, hatch, width });
      this.chart.setOption(option, { notMerge });
    },
    // Without rows nothing is left of the chart: it would cover the text.
    clearChart() {
      this.shownMarkers = 0;
      this.chart?.dispose();
      this.chart = null;
    },
    forgetBefore(time) {
      for (const [name, curve] of Object.entries(this.curves)) {
        if (curve.points[0][0] < time) curve.points = curve.points.filter(([at]) => at >= time);
        if (!curve.points.length) delete this.curves[name];
      }
    },
    clock(at) {
      return formatClock(at - (this.zero ?? 0), this.zero !== null);
    },
  },
};
