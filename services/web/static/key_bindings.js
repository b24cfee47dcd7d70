// Tells the server when one of its keys is pressed.
import { onKeys } from "affectline-web";

export default {
  template: "<span hidden></span>",
  props: { keys: Array },
  emits: ["press"],
  mounted() {
    const actions = this.keys.map((key) => [key, () => this.$emit("press", key)]);
    this.unbind = onKeys(Object.fromEntries(actions));
  },
  unmounted() {
    this.unbind();
  },
};
