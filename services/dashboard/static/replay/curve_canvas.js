// The curves of a session on one time axis, with a moving cursor.
import { colours, drawBands, drawLine, fit, hatch } from "./drawing.js";
import { clockOf, TICK_WIDTH } from "./times.js";
import { formatFixed, KINDS, scaleOf, timeTicks } from "affectline-dashboard";

const LEFT = 44;
const RIGHT = 10;
const TITLE = 19; // height of a row's title
const GAP = 5;
const FOOT = 20;
const LEAST = 40; // minimum and maximum height of a row
const MOST = 150;
const EXPRESSION = 1.7; // height of an expression row relative to other rows

export class CurveCanvas {
  // base: canvas of the curves. top: canvas of the moving parts.
  constructor(base, top) {
    this.base = base;
    this.top = top;
    this.rows = [];
  }

  // Height of the chart, which fills the available room if possible.
  static height(count, hasExpression, room) {
    const units = count + (hasExpression ? EXPRESSION - 1 : 0);
    const fixed = FOOT + count * (TITLE + GAP);
    const unit = Math.min(MOST, Math.max(LEAST, (room - fixed) / Math.max(1, units)));
    return Math.round(fixed + units * unit);
  }

  // Draw the curves of a span of the session.
  draw(data, { width, height, begin, end, curves, labels, markers, annotations }) {
    Object.assign(this, { width, height, begin, end });
    const context = fit(this.base, width, height);
    const colour = colours(this.base);
    const units = curves.reduce((sum, { kind }) => sum + (kind === "expression" ? EXPRESSION : 1), 0);
    const unit = (height - FOOT - curves.length * (TITLE + GAP)) / Math.max(1, units);
    let at = 0;
    this.rows = curves.map((curve) => {
      const row = { curve, top: at + TITLE, height: unit * (curve.kind === "expression" ? EXPRESSION : 1) };
      at = row.top + row.height + GAP;
      row.scale = scaleOf(curve.kind, valuesOf(curve, begin, end));
      return row;
    });
    context.save();
    context.font = "12px system-ui, sans-serif";
    for (const row of this.rows) this.drawRow(context, row, data, { colour, labels });
    this.drawMarks(context, { colour, markers, annotations });
    context.fillStyle = colour("soft");
    for (const second of timeTicks(begin, end, width - LEFT - RIGHT, TICK_WIDTH)) {
      const text = clockOf(second);
      const half = context.measureText(text).width / 2;
      context.fillText(text, Math.min(Math.max(this.x(second) - half, LEFT), width - 2 * half), height - 5);
    }
    context.restore();
  }

  drawRow(context, row, data, { colour, labels }) {
    const { curve, top, height, scale } = row;
    const inner = this.width - LEFT - RIGHT;
    context.fillStyle = colour("track");
    context.globalAlpha = 0.35;
    context.fillRect(LEFT, top, inner, height);
    context.globalAlpha = 1;
    context.fillStyle = colour("soft");
    context.textAlign = "right";
    const step = height > 70 ? 1 : scale.ticks.length - 1;
    scale.ticks.forEach((tick, i) => {
      const y = this.y(row, tick);
      context.fillStyle = colour("line");
      context.fillRect(LEFT, Math.round(y), inner, 1);
      if (i % step) return;
      context.fillStyle = colour("soft");
      const middle = Math.min(Math.max(y + 4, top + 9), top + height);
      context.fillText(formatTick(tick), LEFT - 6, middle);
    });
    context.textAlign = "left";
    context.save();
    context.beginPath();
    context.rect(LEFT, top - 1, inner, height + 2);
    context.clip();
    const x = (second) => this.x(second);
    const { gap } = data;
    if (curve.bands) {
      const bands = within(curve.bands, this.begin - gap, this.end + gap);
      drawBands(context, bands, { labels, gap, x, top, height, colour });
      this.hatchDoubts(context, row, bands, gap, colour);
    } else {
      for (const { name, points } of curve.lines) {
        const seen = within(points, this.begin - gap, this.end + gap);
        drawLine(context, seen, { gap, x, y: (value) => this.y(row, value), stroke: colour(name) });
      }
    }
    context.restore();
  }

  hatchDoubts(context, row, bands, gap, colour) {
    const style = { ink: colour("ink"), paper: colour("card") };
    let open = null;
    const close = () => {
      if (open) hatch(context, open[0], row.top, Math.max(2, open[1] - open[0]), row.height, style);
      open = null;
    };
    bands.forEach((point, i) => {
      const before = bands[i - 1];
      const from = before && point[0] - before[0] <= gap ? this.x(before[0]) : this.x(point[0]);
      if (!point.at(-1) || (before && point[0] - before[0] > gap)) close();
      if (!point.at(-1)) return;
      open = [open ? open[0] : from, this.x(point[0])];
    });
    close();
  }

  drawMarks(context, { colour, markers, annotations }) {
    const bottom = this.height - FOOT;
    for (const { at, end, excluded } of annotations) {
      const [left, right] = [this.x(Math.max(at, this.begin)), this.x(Math.min(end, this.end))];
      if (right <= left) continue;
      context.globalAlpha = excluded ? 0.2 : 0.12;
      context.fillStyle = excluded ? colour("soft") : colour("accent");
      context.fillRect(left, 0, right - left, bottom);
      context.globalAlpha = 1;
    }
    context.strokeStyle = colour("ink");
    context.setLineDash([4, 3]);
    context.lineWidth = 1;
    context.globalAlpha = 0.7;
    for (const { at } of markers) {
      if (at < this.begin || at > this.end) continue;
      context.beginPath();
      context.moveTo(this.x(at), TITLE);
      context.lineTo(this.x(at), bottom);
      context.stroke();
    }
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  // Draw the cursor, and the curves' values there in the titles of the rows.
  point(data, { position, hover, labels, doubts }) {
    const context = fit(this.top, this.width, this.height);
    const colour = colours(this.top);
    const at = hover ?? position;
    context.font = "12px system-ui, sans-serif";
    for (const row of this.rows) {
      const { curve, top } = row;
      context.fillStyle = colour("ink");
      context.font = "600 12px system-ui, sans-serif";
      const name = titleOf(curve);
      context.fillText(name, LEFT, top - 6);
      let left = LEFT + context.measureText(name).width + 10;
      context.font = "12px system-ui, sans-serif";
      for (const { text, dot } of valuesAt(curve, at, data.gap, labels, doubts)) {
        const wide = context.measureText(text).width + (dot ? 13 : 0);
        if (left + wide > this.width - RIGHT) break;
        if (dot) {
          context.fillStyle = colour(dot);
          context.fillRect(left, top - 14, 9, 9);
        }
        context.fillStyle = colour("soft");
        context.fillText(text, left + (dot ? 13 : 0), top - 6);
        left += wide + 10;
      }
    }
    const bottom = this.height - FOOT;
    for (const [second, name, width] of [[hover, "soft", 1], [position, "accent", 2]]) {
      if (second === null || second < this.begin || second > this.end) continue;
      context.fillStyle = colour(name);
      context.fillRect(this.x(second) - width / 2, 0, width, bottom);
    }
  }

  x(second) {
    return LEFT + ((second - this.begin) / (this.end - this.begin || 1)) * (this.width - LEFT - RIGHT);
  }

  // The second at a horizontal position in pixels.
  second(x) {
    const share = (x - LEFT) / (this.width - LEFT - RIGHT);
    return this.begin + Math.min(Math.max(share, 0), 1) * (this.end - this.begin);
  }

  y(row, value) {
    const { low, high } = row.scale;
    return row.top + row.height * (1 - (value - low) / (high - low || 1));
  }
}

// Title of a row, with its unit.
export function titleOf({ kind, of, unit, synthetic }) {
  const name = KINDS.find((one) => one.kind === kind)?.name ?? kind;
  return `${name}, ${of} (${unit})${synthetic ? ", simulated" : ""}`;
}

// Texts for the values of a curve at a moment.
export function valuesAt(curve, at, gap, labels, doubts) {
  if (curve.bands) {
    const point = nearest(curve.bands, at, gap);
    if (!point) return [{ text: "no face" }];
    const shares = labels.map((label, i) => ({ label, share: point[i + 1] }))
      .sort((a, b) => b.share - a.share);
    const reasons = doubts.filter((_, i) => point.at(-1) & (1 << i));
    return [
      ...(reasons.length ? [{ text: `not to be trusted: ${reasons.join(", ")}` }] : []),
      ...shares.slice(0, 3).filter(({ share }) => share >= 1).map(({ label, share }) => (
        { text: `${label} ${Math.round(share)} %`, dot: label })),
    ];
  }
  return curve.lines.flatMap(({ name, points }) => {
    const point = nearest(points, at, gap);
    if (!point) return [];
    const value = formatFixed(point[1], Math.abs(point[1]) < 10 ? 2 : 0);
    const word = curve.lines.length > 1 ? `${name.replaceAll("-", " ")} ` : "";
    return [{ text: `${word}${value}`, dot: name }];
  });
}

// The point for a moment: the last one before it, else the next; null if both are too far.
function nearest(points, at, gap) {
  let [low, high] = [0, points.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= at) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [points[low - 1], points[low]];
  if (before && at - before[0] <= gap) return before;
  return after && after[0] - at <= gap ? after : null;
}

function within(points, begin, end) {
  return points.filter(([second]) => second >= begin && second <= end);
}

// The visible values of a curve's lines.
function valuesOf(curve, begin, end) {
  const seen = (curve.lines ?? []).flatMap(({ points }) => within(points, begin, end));
  return seen.map(([, value]) => value);
}

function formatTick(value) {
  return String(value).replace("-", "\u2212");
}
