// The curves of the last minutes, extended as updates come.
import { echarts } from "nicegui-echart";
import { AFFECT, chartOption, findDoubts, formatSecond, hatching, layOut } from "affectline-dashboard";
import { feed } from "affectline-web";

const KEPT_MS = 300_000;
const DOUBTS_LISTED = 4; // of the doubtful stretches, the newest
const SPANS = { "30 s": 30_000, "1 min": 60_000, "5 min": 300_000 };

export default {
  template: `
    <div class="af-curves">
      <div class="af-legend">
        <span v-for="label in labels" :key="label"><i :style="{ background: colours[label] }"></i>
          {{ label }}</span>
        <span v-for="name in affect" :key="name"><i :style="{ background: colours[name] }"></i>
          {{ name }}</span>
        <span><i class="af-hatch"></i> doubtful: the reasons are below</span>
        <label>Span <select v-model="span">
          <option v-for="name in spans" :key="name">{{ name }}</option></select></label>
      </div>
      <ul v-if="lost.length" class="af-lost" role="alert">
        <li v-for="one in lost" :key="one.name">sensor lost: {{ one.name }}, {{ one.detail }}</li>
      </ul>
      <p v-if="!height">Curves appear with the first face or signal.</p>
      <div ref="chart" class="af-chart" :style="{ height: height + 'px' }" role="img"
        :aria-label="description" :data-rows="rows.length" :data-markers="shownMarkers"
        :data-doubts="doubted.length"></div>
      <ul v-if="doubted.length" class="af-markers" aria-label="Doubtful stretches">
        <li v-for="one in lastDoubted" :key="one.row + one.from"><i class="af-hatch"></i>
          <time>{{ clock(one.from) }} to {{ clock(one.to) }}</time>
          {{ one.row }}: {{ one.words }}</li>
      </ul>
      <ol v-if="lastMarkers.length" class="af-markers" aria-label="Markers">
        <li v-for="(one, i) in lastMarkers" :key="i"><time>{{ clock(one.at) }}</time> {{ one.label }}</li>
      </ol>
    </div>`,
  props: { labels: Array, colours: Object, doubts: Array },
  data() {
    return { span: "1 min", height: 0, rows: [], lastMarkers: [], shownMarkers: 0, lost: [],
      doubted: [] };
  },
  computed: {
    spans: () => Object.keys(SPANS),
    affect: () => AFFECT,
    lastDoubted() {
      return this.doubted.slice(-DOUBTS_LISTED).reverse();
    },
    description() {
      const names = this.rows.map((row) => row.title).join("; ");
      const { length } = this.doubted;
      return `Signals: ${names || "none yet"}${length ? `; ${length} doubtful stretches` : ""}`;
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
    this.zero = null; // of the session's time line, where films are shown
    this.rowNames = "";
  },
  mounted() {
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => this.draw();
    this.resizeObserver = new ResizeObserver(() => this.chart?.resize());
    this.resizeObserver.observe(this.$refs.chart);
    this.scheme.addEventListener("change", this.redraw);
    document.addEventListener("visibilitychange", this.redraw);
    this.unsubscribes = [
      feed.on("curves", (update) => this.add(update)),
      feed.on("status", (status) => this.showLost(status)),
      feed.on("disconnected", () => { this.lost = []; }),
    ];
  },
  unmounted() {
    this.unsubscribes.forEach((unsubscribe) => unsubscribe());
    this.resizeObserver.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
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
      this.markers.push(...markers);
      this.lastMarkers = this.markers.slice(-5).reverse();
      this.draw();
    },
    // List the curves whose sensor is lost.
    showLost({ sensors, lost_sensors: processes }) {
      const signals = sensors.filter(({ status }) => status).map(({ subject, signal, detail }) => (
        { name: `${signal.replaceAll("_", " ")} of ${subject}`, detail }));
      this.lost = [...processes, ...signals];
    },
    async draw() {
      if (document.hidden) return;
      const ends = Object.values(this.curves).map(({ points }) => points.at(-1)[0]);
      const end = Math.max(...ends, ...this.markers.slice(-1).map(({ at }) => at));
      if (!Number.isFinite(end)) return;
      this.forgetBefore(end - KEPT_MS);
      const begin = end - SPANS[this.span];
      const layout = layOut(this.curves, begin, this.labels, this.colours);
      this.doubted = findDoubts(layout.rows, this.doubts);
      this.rows = layout.rows;
      this.height = layout.height;
      if (!layout.rows.length) return;
      const markers = this.markers.filter(({ at }) => at >= begin);
      this.shownMarkers = markers.length;
      await this.$nextTick();
      this.chart ??= echarts.init(this.$refs.chart);
      const rowNames = layout.rows.map((row) => row.name).join();
      const notMerge = rowNames !== this.rowNames;
      this.rowNames = rowNames;
      this.chart.resize();
      const style = getComputedStyle(this.$el);
      const [ink, faint, paper] = ["--ink", "--line", "--card"]
        .map((name) => style.getPropertyValue(name).trim());
      const { zero } = this;
      const hatch = hatching(ink, paper);
      const option = chartOption(layout, { begin, end, zero, markers, ink, faint, hatch });
      this.chart.setOption(option, { notMerge });
    },
    forgetBefore(time) {
      for (const [name, curve] of Object.entries(this.curves)) {
        if (curve.points[0][0] < time) curve.points = curve.points.filter(([at]) => at >= time);
        if (!curve.points.length) delete this.curves[name];
      }
    },
    clock(at) {
      return this.zero === null ? new Date(at).toLocaleTimeString() : formatSecond(at - this.zero);
    },
  },
};
