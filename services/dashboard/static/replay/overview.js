// The overview of a whole session behind the scrubber, and the placement of its markers' labels.
import { colours, drawBands, drawLine, fit } from "./drawing.js";
import { clockOf, TICK_WIDTH } from "./times.js";
import { timeTicks } from "affectline-dashboard";

export const EDGE = 8; // margin in pixels left and right of the session, for the handle
const FOOT = 18; // height of the time axis
const LANES = 2;
const LABEL_WIDTH = 132; // maximum width of a marker's label, in pixels
const CHARACTER = 6.6;
const LEAST_ROOM = 30; // minimum useful width of a label

export class Overview {
  constructor(canvas) {
    this.canvas = canvas;
  }

  // Draw the overview; returns its number of points.
  draw(data, { width, height, labels }) {
    const context = fit(this.canvas, width, height);
    const colour = colours(this.canvas);
    const x = (second) => EDGE + (second / (data.seconds || 1)) * (width - 2 * EDGE);
    const room = height - FOOT;
    context.fillStyle = colour("track");
    context.fillRect(EDGE, 0, width - 2 * EDGE, room);
    const expressions = data.curves.filter(({ kind }) => kind === "expression");
    const [shown] = expressions.sort((a, b) => b.bands.length - a.bands.length);
    if (shown) {
      drawBands(context, shown.bands, { labels, gap: data.gap, x, top: 0, height: room, colour,
        alpha: 0.72 });
    }
    const calm = data.curves.filter(({ kind }) => kind === "nervousness");
    for (const { lines } of calm) {
      const y = (value) => room * (1 - value / 100);
      drawLine(context, lines[0].points, { gap: data.gap, x, y, stroke: colour("nervousness"),
        width: 2, halo: colour("card") });
    }
    context.fillStyle = colour("soft");
    context.font = "12px system-ui, sans-serif";
    for (const at of timeTicks(0, data.seconds, width - 2 * EDGE, TICK_WIDTH)) {
      const text = clockOf(at);
      const half = context.measureText(text).width / 2;
      const left = Math.min(Math.max(x(at) - half, 0), width - 2 * half);
      context.fillRect(x(at), room, 1, 4);
      context.fillText(text, left, height - 3);
    }
    return (shown?.bands.length ?? 0) + calm.reduce((n, one) => n + one.lines[0].points.length, 0);
  }
}

// Position of each marker in pixels, with room for its label in two lanes without overlaps. Labels
// are shortened as needed; without enough room only a tick is left.
export function placeFlags(markers, seconds, width) {
  const inner = width - 2 * EDGE;
  const lanes = Array.from({ length: LANES }, () => []);
  const flags = markers.map((marker) => {
    const left = EDGE + Math.min(Math.max(marker.at / (seconds || 1), 0), 1) * inner;
    const wanted = Math.min(LABEL_WIDTH, marker.label.length * CHARACTER + 12);
    const flag = { ...marker, left, wanted, start: Math.max(0, Math.min(left, width - wanted)) };
    const before = lanes.map((lane) => lane.at(-1));
    const fits = (lane) => flag.start - (before[lane]?.start ?? -Infinity) >= LEAST_ROOM;
    const isFree = !before[0] || before[0].start + before[0].wanted + 4 <= flag.start;
    flag.lane = isFree ? 0 : [1, 0].find(fits) ?? null; // ticks of lower labels cross no other label
    if (flag.lane !== null) lanes[flag.lane].push(flag);
    return flag;
  });
  const placed = flags.filter(({ lane }) => lane !== null);
  placed.forEach((flag, i) => {
    const next = placed.slice(i + 1).find(({ lane }) => flag.lane === 1 || lane === 0);
    flag.room = Math.min(flag.wanted, (next?.start ?? width) - flag.start - 4);
    if (flag.room < LEAST_ROOM) flag.lane = null;
  });
  return flags;
}
