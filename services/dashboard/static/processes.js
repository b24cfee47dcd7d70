// The tables of processes and sensors.
import { feed } from "affectline-web";

export default {
  template: `
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
          <th class="num">latency p50, p95</th><th class="num">skipped</th></tr>
        <tr v-for="one in services" :key="one.name" :class="{ bad: one.state !== 'ready' }"
            :data-service="one.name">
          <th>{{ one.name }}</th>
          <td>{{ one.state }}<span v-if="one.detail">: {{ one.detail }}</span></td>
          <td class="num">{{ one.rate }}</td>
          <td class="num">{{ one.p50 === null ? "" : one.p50 + ", " + one.p95 + " ms" }}</td>
          <td class="num">{{ one.skipped }}</td>
        </tr></table></div>
      <p v-if="!services.length">No process has published its health.</p>
    </div>`,
  data() {
    return { services: [], sensors: [] };
  },
  mounted() {
    this.unsubscribes = [
      feed.on("status", (status) => {
        this.services = status.services;
        this.sensors = status.sensors;
      }),
      feed.on("disconnected", () => {
        this.services = [];
        this.sensors = [];
      }),
    ];
  },
  unmounted() {
    this.unsubscribes.forEach((unsubscribe) => unsubscribe());
  },
};
