// A status line that expands to tables of processes and sensors.
import { feed } from "affectline-web";

const FINE = ["ready", "ended"];

export default {
  template: `
    <details class="af-health" :class="{ bad: wrong.length }">
      <summary><span role="status">{{ line }}</span></summary>
      <div class="af-processes">
        <div v-if="sensors.length" class="af-scroll"><table>
          <caption>Sensors</caption>
          <tr><th>person</th><th>signal</th><th class="num">value</th><th class="num">quality</th>
            <th>state</th></tr>
          <tr v-for="one in sensors" :key="one.subject + one.signal"
              :class="{ bad: one.status }">
            <th>{{ one.subject }}</th><td>{{ one.signal.replaceAll("_", " ") }}</td>
            <td class="num">{{ one.value }} {{ one.unit }}</td>
            <td class="num">{{ Math.round(100 * one.quality) }} %</td>
            <td>{{ one.status ? one.status + ": " + one.detail : one.synthetic ? "simulated" : "ok" }}</td>
          </tr></table></div>
        <div v-if="services.length" class="af-scroll"><table>
          <caption>Processes</caption>
          <tr><th>process</th><th>state</th><th class="num">messages/s</th>
            <th class="num">latency: median, 95 %</th><th class="num">frames skipped</th></tr>
          <tr v-for="one in services" :key="one.name" :class="{ bad: isWrong(one) }"
              :data-service="one.name">
            <th>{{ one.name }}</th>
            <td>{{ one.state }}<span v-if="one.detail">: {{ one.detail }}</span></td>
            <td class="num">{{ one.rate }}</td>
            <td class="num">{{ one.p50 === null ? "" : one.p50 + ", " + one.p95 + " ms" }}</td>
            <td class="num">{{ one.skipped }}</td>
          </tr></table></div>
        <p v-if="!services.length">No process has published its health.</p>
      </div>
    </details>`,
  data() {
    return { services: [], sensors: [], pace: "", isFinished: false, isConnected: false };
  },
  computed: {
    wrong() {
      return this.services.filter((one) => this.isWrong(one));
    },
    line() {
      const { length } = this.services;
      if (!length) return this.isConnected ? "no process is running" : "connecting";
      const [first] = this.wrong;
      if (this.wrong.length > 1) return `${this.wrong.length} of ${length} processes have a problem`;
      if (first) return `${first.name}: ${first.state}${first.detail ? `, ${first.detail}` : ""}`;
      if (this.isFinished) return "finished";
      return `all ${length} processes fine${this.pace}`;
    },
  },
  created() {
    this.frames = {}; // the newest frame of each stream
  },
  mounted() {
    this.unsubscribes = [
      feed.on("frame", (frame) => { this.frames[frame.stream] = frame; }),
      feed.on("status", (status) => this.show(status)),
      feed.on("disconnected", () => {
        this.isConnected = false;
        this.services = [];
        this.sensors = [];
        this.frames = {};
      }),
    ];
  },
  unmounted() {
    this.unsubscribes.forEach((unsubscribe) => unsubscribe());
  },
  methods: {
    isWrong({ state }) {
      return !FINE.includes(state);
    },
    show(status) {
      this.isConnected = true;
      this.services = status.services;
      this.sensors = status.sensors;
      this.isFinished = status.finished;
      const frames = Object.values(this.frames)
        .filter(({ stream }) => status.streams[stream]?.status !== "ended");
      if (!frames.length) {
        this.pace = "";
        return;
      }
      const rate = frames.reduce((sum, frame) => sum + frame.rate, 0);
      const latency = Math.max(...frames.map((frame) => frame.latency));
      this.pace = ` \u00b7 ${Math.round(rate)} frames/s \u00b7 ${Math.round(latency)} ms`;
    },
  },
};
