// Facts about a session in one line; when it began is in the browser's time zone.
import { formatMoment } from "affectline-dashboard";

export default {
  template: `<div>{{ text }}</div>`,
  props: { name: String, begun: Number, facts: Array },
  computed: {
    text() {
      const begun = this.begun === null ? "" : formatMoment(this.begun);
      return [this.name, begun, ...this.facts].filter(Boolean).join(" · ");
    },
  },
};
