// The camera's video, mirrored, with an outline around the face and a countdown.
import { decode, feed, onKeys } from "affectline-web";

const NO_FACE_MS = 500; // tolerate a face that is missed in a few frames
const FROZEN_MS = 5000; // how long to wait for the server's response to a capture
const FLASH_MS = 160;

export default {
  template: `
    <div class="co-finder" :class="{ flash: isFlashing }">
      <canvas ref="canvas" width="640" height="360" role="img" :aria-label="description"
        :class="{ mirrored }" :data-seq="frame?.seq"></canvas>
      <p v-if="count" class="co-count" role="timer" aria-live="assertive">{{ count }}</p>
      <p class="co-hint" :class="{ good: !hint }" role="status">{{ hint || "ready" }}</p>
    </div>`,
  props: { active: Boolean, armed: Boolean, countdown: Number, mirrored: Boolean, smallest: Number },
  emits: ["capture"],
  data() {
    return { frame: null, pipeline: null, isDisconnected: false, faceSeen: 0, count: 0, isFlashing: false };
  },
  computed: {
    hint() {
      if (this.isDisconnected) return "disconnected from the server, reconnecting";
      const stream = this.pipeline && Object.values(this.pipeline.streams)[0];
      if (stream?.status) return `${stream.status} ${stream.detail}`;
      if (this.pipeline && !this.pipeline.running) return "no pipeline: no messages from it";
      if (!this.frame) return "waiting for the first frame";
      const faces = this.frame.faces;
      if (faces.length > 1) return `${faces.length} faces: only one person at a time, please`;
      if (!faces.length) return this.isFaceLost ? "no face: look into the camera" : "";
      const size = Math.max(...faces[0].box.slice(2));
      return size < this.smallest ? `come closer: ${size} of ${this.smallest} pixels` : "";
    },
    isFaceLost() {
      return this.frame.received - this.faceSeen > NO_FACE_MS;
    },
    description() {
      return `Camera: ${this.hint || "one face, ready"}`;
    },
  },
  watch: {
    active(active) {
      this.cancel();
      if (active) feed.open("live");
      else feed.close();
    },
    armed(armed) {
      if (!armed) this.cancel();
    },
  },
  created() {
    this.unfrozen = Promise.resolve();
  },
  mounted() {
    this.unsubscribes = [
      feed.on("hello", () => { this.isDisconnected = false; }),
      feed.on("frame", (frame) => this.receive(frame)),
      feed.on("status", (pipeline) => { this.pipeline = pipeline; }),
      feed.on("disconnected", () => {
        Object.assign(this, { isDisconnected: true, frame: null });
        this.cancel();
        this.unfreeze();
      }),
      onKeys({ k: () => this.press(), escape: () => this.cancel() }),
    ];
    if (this.active) feed.open("live");
  },
  unmounted() {
    this.cancel();
    this.unsubscribes.forEach((unsubscribe) => unsubscribe());
    feed.close();
  },
  methods: {
    // Start the countdown, or capture at once without one.
    press() {
      if (!this.armed || !this.active || this.count || this.isFrozen) return;
      this.count = this.countdown;
      if (!this.count) {
        this.capture();
        return;
      }
      this.timer = setInterval(() => {
        this.count -= 1;
        if (this.count > 0) return;
        clearInterval(this.timer);
        this.capture();
      }, 1000);
    },
    cancel() {
      clearInterval(this.timer);
      this.count = 0;
    },
    // Keep the frame on the screen until the server has responded: as long as no other is
    // acknowledged, the server still has it.
    capture() {
      if (!this.frame || !feed.clientId) return;
      const { stream, epoch, seq } = this.frame;
      this.isFrozen = true;
      this.unfrozen = new Promise((resolve) => { this.release = resolve; });
      setTimeout(() => this.unfreeze(), FROZEN_MS);
      this.isFlashing = true;
      setTimeout(() => { this.isFlashing = false; }, FLASH_MS);
      this.$emit("capture", { viewer: feed.clientId, stream, epoch, seq });
    },
    unfreeze() {
      this.isFrozen = false;
      this.release?.();
    },
    async receive(frame) {
      try {
        const image = await decode(frame);
        await this.unfrozen;
        if (image && this.$refs.canvas) this.show(frame, image);
        image?.close();
      } finally {
        feed.acknowledge(frame.stream);
      }
    },
    show(frame, image) {
      const canvas = this.$refs.canvas;
      const [width, height] = frame.size;
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
      frame.received = performance.now();
      if (frame.faces.length) this.faceSeen = frame.received;
      this.frame = Object.freeze(frame);
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0, width, height);
      for (const face of frame.faces) this.outline(context, face, width);
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
