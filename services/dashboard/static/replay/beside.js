// In the top bar: selects a session to show beside this one, and whether both play together.
import { panes } from "affectline-replay";

export default {
  template: `
    <span class="af-replay-tools">
      <label>Beside it <select :value="beside" @change="choose($event.target.value)">
        <option value="">no other session</option>
        <option v-for="one in others" :key="one.name" :value="one.name">{{ one.title }}</option></select></label>
      <label v-if="beside" class="af-together"><input type="checkbox" v-model="areTogether" @change="join">
        both together</label>
    </span>`,
  props: { name: String, beside: String, others: Array },
  data() {
    return { areTogether: false };
  },
  methods: {
    choose(other) {
      const query = other ? `?beside=${encodeURIComponent(other)}` : "";
      location.assign(`/replay/${this.name}${query}`);
    },
    join() {
      panes.areTogether = this.areTogether;
    },
  },
};
