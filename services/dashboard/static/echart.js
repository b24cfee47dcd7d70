// Turns the curves into options for ECharts: one row per curve, all rows on one time axis.
import { KINDS, scaleOf, timeTicks } from "./scales.js";

const LEFT = 46;
const RIGHT = 14;
const LANE = 18; // height of a lane of markers' labels, above the first row
export const LANES = 2;
const GAP = 30; // space above each row, for its title
const FOOT = 22;
const LOWEST = 44; // minimum and maximum height of a row
const HIGHEST = 150;
const EXPRESSION_HEIGHT = 1.6; // height of an expression row relative to other rows
const TICK_WIDTH = 80; // width of a tick label on the time axis
const LEAST_GAP_MS = 1500; // values further apart are not connected, unless the sensor is slow
const GAP_INTERVALS = 2.5; // nor of a slow one, if they are this many of its intervals apart
const DOT = { symbol: "circle", symbolSize: 4 }; // a value that is connected to no other
const TRACKS = 4; // number of faces shown at once, those seen most
const LABEL_WIDTH = 130; // maximum width of a marker's label, in pixels
const CHARACTER = 7;

// Choose the rows, from top to bottom, and the height of the chart, which fills the available
// room if possible. Only the stream in focus is shown. areHidden: there is nothing but hidden rows.
export function layOut(curves, { begin, labels, colour, hidden = [], stream = null, room = 0 }) {
  const known = Object.entries(curves)
    .map(([name, curve]) => ({ name, ...curve, kind: kindOf(name), of: name.split("/")[1] }))
    .filter(({ kind, of }) => isOf(stream, kind, of))
    .map((curve) => ({ ...curve, seen: curve.points.filter(([at]) => at >= begin) }))
    .filter((curve) => curve.seen.length);
  const visible = known.filter(({ kind }) => !hidden.includes(kind));
  const faces = visible
    .filter((curve) => curve.kind === "expression")
    .sort((a, b) => b.seen.length - a.seen.length)
    .slice(0, TRACKS);
  const rows = [...faces, ...visible.filter((curve) => curve.kind !== "expression")];
  rows.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
  const weights = rows.map(({ kind }) => (kind === "expression" ? EXPRESSION_HEIGHT : 1));
  const fixed = LANES * LANE + FOOT + GAP * rows.length;
  const unit = (room - fixed) / weights.reduce((sum, weight) => sum + weight, 0);
  let top = LANES * LANE;
  rows.forEach((row, i) => {
    top += GAP;
    row.top = top;
    row.height = Math.round(Math.min(HIGHEST, Math.max(LOWEST, unit)) * weights[i]);
    row.title = title(row);
    row.gap = gapOf(row.points);
    row.series = parts(row, labels, colour);
    const values = row.seen.flatMap(([, ...rest]) => rest).filter((value) => value !== null);
    row.scale = scaleOf(row.kind, values);
    top += row.height;
  });
  const areHidden = known.length > 0 && !rows.length;
  return { rows, height: rows.length ? top + FOOT : 0, areHidden };
}

function kindOf(name) {
  return name.split("/")[0].replace("emotion", "expression");
}

// Whether a curve belongs to the stream in focus or to a person.
function isOf(stream, kind, of) {
  return stream === null || !["expression", "affect", "pose", "eyes"].includes(kind) || of === stream;
}

// The lines of a row: name, colour, and index in the curve's points.
function parts(row, labels, colour) {
  const names = row.kind === "expression" ? labels : partsOf(row.kind);
  return names.map((name, i) => (
    { name: name.replaceAll("-", " "), colour: colour(name), value: i + 1 }));
}

// The lines of a kind, except the expression; each name is also its colour's name.
export function partsOf(kind) {
  return KINDS.find((one) => one.kind === kind)?.parts ?? ["quality"];
}

function rank(row) {
  return KINDS.findIndex(({ kind }) => kind === row.kind);
}

// Title of a row, with its unit.
function title({ name, kind, unit, synthetic }) {
  const [, of, track] = name.split("/");
  const titles = {
    expression: `Expression, ${of}, face #${track} (%)`,
    affect: `Affect, ${of} (\u22121 to 1)`,
    pose: `Head pose, ${of} (°)`,
    eyes: `Eyes, ${of} (% open)`,
    nervousness: `Nervousness, ${of} (stress index, 0 to 100)`,
  };
  const signal = kind.replaceAll("_", " ");
  const named = titles[kind] ?? `${signal[0].toUpperCase()}${signal.slice(1)}, ${of} (${unit})`;
  return `${named}${synthetic ? ", simulated" : ""}`;
}

// Options of the whole chart. With a zero, the axis counts minutes and seconds from it.
export function chartOption({ rows }, { begin, end, zero, markers, ink, faint, hatch, width }) {
  const last = rows.length - 1;
  const from = zero ?? 0;
  const [first, final] = [begin - from, end - from];
  const ticks = timeTicks(first / 1000, final / 1000, width, TICK_WIDTH).map((second) => 1000 * second);
  const clock = (at) => formatClock(at, zero !== null);
  return {
    animation: false,
    backgroundColor: "transparent",
    tooltip: {
      trigger: "axis", renderMode: "richText", confine: true,
      valueFormatter: (value) => formatValue(value),
    },
    axisPointer: {
      link: [{ xAxisIndex: "all" }], label: { formatter: ({ value }) => clock(value) },
    },
    title: rows.map((row) => rowTitle(row, ink)),
    // No outer bounds: ECharts would make the row with the labels narrower than the others
    grid: rows.map((row) => (
      { left: LEFT, right: RIGHT, top: row.top, height: row.height, outerBoundsMode: "none" })),
    xAxis: rows.map((_, i) => ({
      type: "value", gridIndex: i, min: first, max: final,
      axisLabel: {
        show: i === last, color: ink, hideOverlap: true, customValues: ticks, formatter: clock,
      },
      axisLine: { lineStyle: { color: faint }, onZero: false },
      axisTick: { show: i === last, customValues: ticks },
      splitLine: { show: false },
    })),
    yAxis: rows.map((row, i) => ({
      type: "value", gridIndex: i, min: row.scale.low, max: row.scale.high,
      interval: row.scale.ticks[1] - row.scale.ticks[0],
      axisLine: { show: false },
      axisLabel: { color: ink, customValues: row.scale.ticks, formatter: formatValue },
      splitLine: { lineStyle: { color: faint } },
    })),
    series: rows.flatMap((row, i) => row.series.map((part, j) => ({
      type: "line", name: part.name, xAxisIndex: i, yAxisIndex: i, symbol: "none",
      data: connect(row, part.value, from),
      color: part.colour,
      lineStyle: { width: row.kind === "expression" ? 0 : 2 },
      ...(row.kind === "expression" ? { stack: row.name, areaStyle: { opacity: 1 } } : {}),
      ...(j === 0 ? { markLine: markerLines(markers, ink, from) } : {}),
      ...(j === 0 && row.doubted ? { markArea: hatchedAreas(row.doubted, hatch, from) } : {}),
    }))),
  };
}

// The title above a row; if it has several lines, it lists them with colour swatches.
function rowTitle(row, ink) {
  const isKeyed = row.kind !== "expression" && row.series.length > 1;
  const rich = Object.fromEntries(row.series.map(({ colour }, i) => [`p${i}`, { color: colour }]));
  const key = row.series.map(({ name }, i) => `  {p${i}|\u25a0} ${name}`).join("");
  return {
    text: isKeyed ? `${row.title}${key}` : row.title,
    left: LEFT - 5, top: row.top - 21,
    textStyle: { color: ink, fontSize: 12, fontWeight: "normal", ...(isKeyed ? { rich } : {}) },
  };
}

// Place the labels of markers in the lanes, in pixels; labels that would cover others are dropped.
export function placeMarkers(markers, { begin, end, width }) {
  const span = width - LEFT - RIGHT;
  const free = Array(LANES).fill(-Infinity); // right end of the last label in each lane
  return markers.map((marker) => {
    const left = LEFT + ((marker.at - begin) / (end - begin)) * span;
    const room = Math.min(LABEL_WIDTH, CHARACTER * marker.label.length + 12);
    const start = Math.max(LEFT, Math.min(left - 5, width - room));
    const lane = free.findIndex((until) => until <= start);
    if (lane >= 0) free[lane] = start + room + 4;
    return { ...marker, left: start, lane, top: lane * LANE, room };
  }).filter(({ lane }) => lane >= 0);
}

// Points further apart than this, in milliseconds, are not connected.
function gapOf(points) {
  const intervals = points.slice(1).map(([at], i) => at - points[i][0]).sort((a, b) => a - b);
  const median = intervals[Math.floor((intervals.length - 1) / 2)] ?? 0;
  return Math.max(LEAST_GAP_MS, GAP_INTERVALS * median);
}

// The values of a line, with a null in each gap; those between two gaps are dots.
function connect({ seen, gap, kind }, value, from) {
  const isApart = (i, j) => !seen[i] || !seen[j] || Math.abs(seen[i][0] - seen[j][0]) > gap;
  return seen.flatMap((point, i) => {
    const at = point[0] - from;
    const isDot = kind !== "expression" && isApart(i - 1, i) && isApart(i, i + 1);
    const item = isDot ? { value: [at, point[value]], ...DOT } : [at, point[value]];
    return i && isApart(i - 1, i) ? [[seen[i - 1][0] - from + 1, null], item] : [item];
  });
}

function markerLines(markers, ink, from) {
  return {
    silent: true, symbol: "none", animation: false,
    lineStyle: { color: ink, type: "dashed", width: 1 },
    label: { show: false },
    data: markers.map(({ at, label }) => ({ xAxis: at - from, name: label })),
  };
}

// The doubted stretches of the expression rows, with reasons, sorted by time.
export function findDoubts(rows, words) {
  for (const row of rows) {
    if (row.kind === "expression") row.doubted = stretches(row.seen, row.gap, words);
  }
  return rows.flatMap((row) => (row.doubted ?? []).map((one) => ({ ...one, row: row.title })))
    .sort((a, b) => a.from - b.from);
}

// Runs of doubted points, which have the doubts as bits after the seven values.
function stretches(points, gap, words) {
  const found = [];
  let open = null;
  points.forEach(([at, ...values], i) => {
    const bits = values[7] ?? 0;
    const before = points[i - 1]?.[0] ?? at;
    const from = at - before > gap ? at : before; // the time since the last point counts, too
    if (open && (!bits || at - before > gap)) open = null;
    if (bits && !open) found.push(open = { from, to: at, bits: 0 });
    if (!bits) return;
    open.to = at;
    open.bits |= bits;
  });
  return found.map(({ from, to, bits }) => (
    { from, to, words: words.filter((_, i) => bits & (1 << i)).join(", ") }));
}

function hatchedAreas(doubted, hatch, from) {
  return {
    silent: true, animation: false, z: 4, // above the areas, which have z 3
    itemStyle: { color: { image: hatch, repeat: "repeat" } },
    data: doubted.map((one) => [{ xAxis: one.from - from }, { xAxis: one.to - from }]),
  };
}

// A tile of diagonal lines on a translucent background: visible on any colour.
export function hatching(ink, paper) {
  const side = 10;
  const tile = document.createElement("canvas");
  tile.width = tile.height = side;
  const context = tile.getContext("2d");
  context.fillStyle = paper;
  context.globalAlpha = 0.45;
  context.fillRect(0, 0, side, side);
  context.globalAlpha = 1;
  context.strokeStyle = ink;
  context.lineWidth = 2.5;
  context.beginPath();
  for (const shift of [-side, 0, side]) { // lines of neighbouring tiles reach into the corners
    context.moveTo(shift - 1, side + 1);
    context.lineTo(shift + side + 1, -1);
  }
  context.stroke();
  return tile;
}

// Format a moment: as time of the session, such as 1:02.5, or as time of day.
export function formatClock(ms, isSession) {
  return isSession ? formatSecond(ms) : new Date(ms).toLocaleTimeString();
}

// Format a moment by the browser's clock, such as 2026-11-29 09:36:37.
export function formatMoment(ms) {
  const date = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())];
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two);
  return `${day.join("-")} ${time.join(":")}`;
}

// Format milliseconds of a session as minutes and seconds, such as 1:02.5.
export function formatSecond(ms) {
  const tenths = Math.round(Math.abs(ms) / 100);
  const [minutes, rest] = [Math.floor(tenths / 600), tenths % 600];
  const seconds = String(Math.floor(rest / 10)).padStart(2, "0");
  const fraction = rest % 10 ? `.${rest % 10}` : "";
  return `${ms < 0 && tenths ? "\u2212" : ""}${minutes}:${seconds}${fraction}`;
}

// Format a value with so many decimals; a zero has no sign.
export function formatFixed(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) ? `\u2212${text}` : text;
}

function formatValue(value) {
  if (typeof value !== "number") return "";
  const rounded = Math.round(100 * value) / 100;
  return rounded < 0 ? `\u2212${-rounded}` : String(rounded);
}
