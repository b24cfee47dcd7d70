// The camera's picture as a mirror, with an outline round the face and a countdown over it.
import { decode, link, onKeys } from "affectline-dashboard";

const NO_FACE_MS = 500; // a face that is missed in a few pictures is no news
const FROZEN_MS = 5000; // how long an answer to a shot is waited for
const FLASH_MS = 160;

export default {
  template: `
    <div class="bo-finder" :class="{ flash: flashing }">
      <canvas ref="canvas" width="640" height="360" role="img" :aria-label="spoken"
        :class="{ mirrored }" :data-seq="about?.seq"></canvas>
      <p v-if="count" class="bo-count" role="timer" aria-live="assertive">{{ count }}</p>
      <p class="bo-hint" :class="{ good: !hint }" role="status">{{ hint || "ready" }}</p>
    </div>`,
  props: { active: Boolean, armed: Boolean, countdown: Number, mirrored: Boolean, smallest: Number },
  emits: ["shot"],
  data() {
    return { about: null, standing: null, gone: false, seen: 0, count: 0, flashing: false };
  },
  computed: {
    hint() {
      if (this.gone) return "the server is gone, trying to reconnect";
      const word = this.standing && Object.values(this.standing.streams)[0];
      if (word?.word) return `${word.word} ${word.detail}`;
      if (this.standing && !this.standing.running) return "no pipeline: nothing is heard from it";
      if (!this.about) return "waiting for the first picture";
      const faces = this.about.faces;
      if (faces.length > 1) return `${faces.length} faces: only one person at a time, please`;
      if (!faces.length) return this.lost ? "no face: look into the camera" : "";
      const size = Math.max(...faces[0].box.slice(2));
      return size < this.smallest ? `come closer: ${size} of ${this.smallest} pixels` : "";
    },
    lost() {
      return this.about.received - this.seen > NO_FACE_MS;
    },
    spoken() {
      return `Camera picture: ${this.hint || "one face, ready"}`;
    },
  },
  watch: {
    active(active) {
      this.cancel();
      if (active) link.open("live");
      else link.close();
    },
    armed(armed) {
      if (!armed) this.cancel();
    },
  },
  created() {
    this.thawed = Promise.resolve();
  },
  mounted() {
    this.endings = [
      link.on("hello", () => { this.gone = false; }),
      link.on("picture", (about) => this.receive(about)),
      link.on("standing", (standing) => { this.standing = standing; }),
      link.on("gone", () => {
        Object.assign(this, { gone: true, about: null });
        this.cancel();
        this.thaw();
      }),
      onKeys({ k: () => this.press(), escape: () => this.cancel() }),
    ];
    if (this.active) link.open("live");
  },
  unmounted() {
    this.cancel();
    this.endings.forEach((end) => end());
    link.close();
  },
  methods: {
    // Begin the countdown, or shoot at once where there is none.
    press() {
      if (!this.armed || !this.active || this.count || this.frozen) return;
      this.count = this.countdown;
      if (!this.count) {
        this.shoot();
        return;
      }
      this.timer = setInterval(() => {
        this.count -= 1;
        if (this.count > 0) return;
        clearInterval(this.timer);
        this.shoot();
      }, 1000);
    },
    cancel() {
      clearInterval(this.timer);
      this.count = 0;
    },
    // The picture on the screen stays there until the server has said what became of it. As no
    // other is acknowledged meanwhile, the server still has it.
    shoot() {
      if (!this.about || !link.viewer) return;
      const { stream, epoch, seq } = this.about;
      this.frozen = true;
      this.thawed = new Promise((resolve) => { this.release = resolve; });
      setTimeout(() => this.thaw(), FROZEN_MS);
      this.flashing = true;
      setTimeout(() => { this.flashing = false; }, FLASH_MS);
      this.$emit("shot", { viewer: link.viewer, stream, epoch, seq });
    },
    thaw() {
      this.frozen = false;
      this.release?.();
    },
    async receive(about) {
      try {
        const image = await decode(about);
        await this.thawed;
        if (image && this.$refs.canvas) this.show(about, image);
        image?.close();
      } finally {
        link.shown(about.stream);
      }
    },
    show(about, image) {
      const canvas = this.$refs.canvas;
      const [width, height] = about.size;
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
      about.received = performance.now();
      if (about.faces.length) this.seen = about.received;
      this.about = Object.freeze(about);
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0, width, height);
      for (const face of about.faces) this.outline(context, face, width);
    },
    outline(context, face, width) {
      const [x, y, w, h] = face.box;
      const unit = Math.max(1, width / 640);
      context.save();
      context.translate(x + w / 2, y + h / 2);
      context.rotate((-face.angle * Math.PI) / 180); // positive is counter-clockwise
      for (const [style, thick] of [["#191919", 5], ["#ebebeb", 3]]) {
        context.strokeStyle = style;
        context.lineWidth = thick * unit;
        context.setLineDash(this.hint ? [8 * unit, 6 * unit] : []);
        context.strokeRect(-w / 2, -h / 2, w, h);
      }
      context.restore();
    },
  },
};
