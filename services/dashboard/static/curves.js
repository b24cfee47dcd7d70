// The curves of the last minutes, appended to as they come.
import { echarts } from "nicegui-echart";
import { charted, link, option } from "affectline-dashboard";

const KEPT_MS = 300_000;
const SPANS = { "30 s": 30_000, "1 min": 60_000, "5 min": 300_000 };

export default {
  template: `
    <div class="af-curves">
      <div class="af-legend">
        <span v-for="label in labels" :key="label"><i :style="{ background: colours[label] }"></i>
          {{ label }}</span>
        <label>Span <select v-model="span">
          <option v-for="name in spans" :key="name">{{ name }}</option></select></label>
      </div>
      <ul v-if="lost.length" class="af-lost" role="alert">
        <li v-for="one in lost" :key="one.name">sensor lost: {{ one.name }}, {{ one.detail }}</li>
      </ul>
      <p v-if="!height">Curves appear with the first face or signal.</p>
      <div ref="chart" class="af-chart" :style="{ height: height + 'px' }" role="img"
        :aria-label="spoken" :data-rows="rows.length" :data-markers="shownMarkers"></div>
      <ol v-if="named.length" class="af-markers" aria-label="Markers">
        <li v-for="(one, i) in named" :key="i"><time>{{ clock(one.at) }}</time> {{ one.label }}</li>
      </ol>
    </div>`,
  props: { labels: Array, colours: Object },
  data() {
    return { span: "1 min", height: 0, rows: [], named: [], shownMarkers: 0, lost: [] };
  },
  computed: {
    spans: () => Object.keys(SPANS),
    spoken() {
      const names = this.rows.map((row) => row.title).join("; ");
      return `Curves over time: ${names || "none yet"}`;
    },
  },
  watch: {
    span() {
      this.paint();
    },
  },
  created() {
    this.curves = {};
    this.markers = [];
    this.laidOut = "";
  },
  mounted() {
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.paint();
    this.resizing = new ResizeObserver(() => this.chart?.resize());
    this.resizing.observe(this.$refs.chart);
    this.scheme.addEventListener("change", this.repaint);
    document.addEventListener("visibilitychange", this.repaint);
    this.endings = [
      link.on("curves", (news) => this.add(news)),
      link.on("standing", (standing) => this.lose(standing)),
      link.on("gone", () => { this.lost = []; }),
    ];
  },
  unmounted() {
    this.endings.forEach((end) => end());
    this.resizing.disconnect();
    this.scheme.removeEventListener("change", this.repaint);
    document.removeEventListener("visibilitychange", this.repaint);
    this.chart?.dispose();
  },
  methods: {
    add({ reset, series, markers }) {
      if (reset) {
        this.curves = {};
        this.markers = [];
      }
      for (const [name, { points, ...about }] of Object.entries(series)) {
        this.curves[name] ??= { points: [] };
        Object.assign(this.curves[name], about);
        this.curves[name].points.push(...points);
      }
      this.markers.push(...markers);
      this.named = this.markers.slice(-5).reverse();
      this.paint();
    },
    // Say beside the curves which of them have no sensor any more.
    lose({ sensors, lost_sensors: processes }) {
      const signals = sensors.filter(({ word }) => word).map(({ subject, signal, detail }) => (
        { name: `${signal.replaceAll("_", " ")} of ${subject}`, detail }));
      this.lost = [...processes, ...signals];
    },
    async paint() {
      if (document.hidden) return;
      const ends = Object.values(this.curves).map(({ points }) => points.at(-1)[0]);
      const end = Math.max(...ends, ...this.markers.slice(-1).map(({ at }) => at));
      if (!Number.isFinite(end)) return;
      this.forgetBefore(end - KEPT_MS);
      const begin = end - SPANS[this.span];
      const plan = charted(this.curves, begin, this.labels, this.colours);
      this.rows = plan.rows;
      this.height = plan.height;
      if (!plan.rows.length) return;
      const markers = this.markers.filter(({ at }) => at >= begin);
      this.shownMarkers = markers.length;
      await this.$nextTick();
      this.chart ??= echarts.init(this.$refs.chart);
      const layout = plan.rows.map((row) => row.name).join();
      const notMerge = layout !== this.laidOut;
      this.laidOut = layout;
      this.chart.resize();
      const style = getComputedStyle(this.$el);
      const [ink, faint] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
      this.chart.setOption(option(plan, { begin, end, markers, ink, faint }), { notMerge });
    },
    forgetBefore(time) {
      for (const [name, curve] of Object.entries(this.curves)) {
        if (curve.points[0][0] < time) curve.points = curve.points.filter(([at]) => at >= time);
        if (!curve.points.length) delete this.curves[name];
      }
    },
    clock(at) {
      return new Date(at).toLocaleTimeString();
    },
  },
};
