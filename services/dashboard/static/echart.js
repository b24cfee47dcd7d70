// The curves as options of ECharts: one row for each, all rows on one time axis.

const ROW = 84;
const EMOTION_ROW = 120;
const GAP = 40;
const FOOT = 34;
const GAP_MS = 1500; // values further apart are not connected
const TRACKS = 4; // how many faces are shown at once, those seen most
const ORDER = ["emotion", "affect", "heart_rate", "skin_conductance", "nervousness"];
export const AFFECT = ["valence", "arousal"];
const COLOURS = { heart_rate: "#d55e00", skin_conductance: "#0072b2", nervousness: "#cc79a7" };

// Which curves are drawn, from top to bottom, and the height of the chart.
export function layOut(curves, begin, labels, colours) {
  const visible = Object.entries(curves)
    .map(([name, curve]) => ({ name, ...curve, kind: name.split("/")[0] }))
    .map((curve) => ({ ...curve, seen: curve.points.filter(([at]) => at >= begin) }))
    .filter((curve) => curve.seen.length);
  const faces = visible
    .filter((curve) => curve.kind === "emotion")
    .sort((a, b) => b.seen.length - a.seen.length)
    .slice(0, TRACKS);
  const rows = [...faces, ...visible.filter((curve) => curve.kind !== "emotion")];
  rows.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
  let top = GAP;
  for (const row of rows) {
    row.top = top;
    row.height = row.kind === "emotion" ? EMOTION_ROW : ROW;
    row.title = title(row);
    row.series = parts(row, labels, colours);
    top += row.height + GAP;
  }
  return { rows, height: rows.length ? top - GAP + FOOT : 0 };
}

// The lines of a row: name, colour, and place in the curve's points.
function parts(row, labels, colours) {
  if (row.kind === "emotion") {
    return labels.map((label, i) => ({ name: label, colour: colours[label], value: i + 1 }));
  }
  if (row.kind === "affect") {
    return AFFECT.map((name, i) => ({ name, colour: colours[name], value: i + 1 }));
  }
  return [{ name: row.title, colour: COLOURS[row.kind] ?? "#009e73", value: 1 }];
}

function rank(row) {
  return ORDER.indexOf(row.kind);
}

function title({ name, kind, unit, synthetic }) {
  const [, first, second] = name.split("/");
  const names = { emotion: `expression, ${first}, face #${second}`,
    affect: `valence and arousal, ${first}, largest face` };
  const what = names[kind] ?? `${kind.replaceAll("_", " ")}, ${first}`;
  const units = kind === "emotion" ? "" : ` (${unit})`;
  return `${what}${units}${synthetic ? ", simulated" : ""}`;
}

// The option of the whole chart. Where there is a zero, the axis counts minutes and seconds from it.
export function chartOption({ rows }, { begin, end, zero, markers, ink, faint, hatch }) {
  const last = rows.length - 1;
  const isSession = zero !== null;
  const from = zero ?? 0;
  return {
    animation: false,
    backgroundColor: "transparent",
    tooltip: { trigger: "axis", renderMode: "richText", valueFormatter: (v) => formatValue(v) },
    useUTC: isSession, // ticks at whole seconds of the session, wherever the browser is
    axisPointer: {
      link: [{ xAxisIndex: "all" }],
      ...(isSession ? { label: { formatter: ({ value }) => formatSecond(value) } } : {}),
    },
    title: rows.map((row) => ({
      text: row.title,
      left: 4, top: row.top - 24,
      textStyle: { color: ink, fontSize: 13, fontWeight: "normal" },
    })),
    // Without outer bounds: ECharts would make the row with the labels narrower than the others
    grid: rows.map((row) => (
      { left: 46, right: 30, top: row.top, height: row.height, outerBoundsMode: "none" })),
    xAxis: rows.map((_, i) => ({
      type: "time", gridIndex: i, min: begin - from, max: end - from,
      axisLabel: {
        show: i === last, color: ink, hideOverlap: true,
        ...(isSession ? { formatter: formatSecond } : {}),
      },
      axisLine: { lineStyle: { color: faint } },
      axisTick: { show: i === last },
      splitLine: { show: false },
    })),
    yAxis: rows.map((row, i) => ({
      type: "value", gridIndex: i, scale: row.kind !== "nervousness", splitNumber: 2,
      ...(row.kind === "emotion" ? { min: 0, max: 1 } : {}),
      ...(row.kind === "affect" ? { min: -1, max: 1 } : {}),
      ...(row.kind === "nervousness" ? { min: 0, max: 100 } : {}),
      axisLabel: { color: ink, formatter: (v) => formatValue(v) },
      splitLine: { lineStyle: { color: faint } },
    })),
    series: rows.flatMap((row, i) => row.series.map((part, j) => ({
      type: "line", name: part.name, xAxisIndex: i, yAxisIndex: i, symbol: "none",
      data: connect(row.seen, part.value, from),
      color: part.colour,
      lineStyle: { width: row.kind === "emotion" ? 0 : 2 },
      ...(row.kind === "emotion" ? { stack: row.name, areaStyle: { opacity: 0.9 } } : {}),
      ...(j === 0 ? { markLine: markerLines(markers, i === 0, ink, from) } : {}),
      ...(j === 0 && row.doubted ? { markArea: hatchedAreas(row.doubted, hatch, from) } : {}),
    }))),
  };
}

function connect(points, value, from) {
  const data = [];
  for (const point of points) {
    const at = point[0] - from;
    const before = data.at(-1);
    if (before && at - before[0] > GAP_MS) data.push([before[0] + 1, null]);
    data.push([at, point[value]]);
  }
  return data;
}

function markerLines(markers, named, ink, from) {
  return {
    silent: true, symbol: "none", animation: false,
    lineStyle: { color: ink, type: "dashed", width: 1 },
    label: { show: named, color: ink, position: "end", overflow: "truncate", width: 110,
      formatter: ({ name }) => name },
    data: markers.map(({ at, label }) => ({ xAxis: at - from, name: label })),
  };
}

// The stretches of the emotion rows in which a face is doubted, and why, in order of their times.
export function findDoubts(rows, words) {
  for (const row of rows) {
    if (row.kind === "emotion") row.doubted = stretches(row.seen, words);
  }
  return rows.flatMap((row) => (row.doubted ?? []).map((one) => ({ ...one, row: row.title })))
    .sort((a, b) => a.from - b.from);
}

// Of points with the doubts as bits behind the seven values: those that follow each other.
function stretches(points, words) {
  const found = [];
  let open = null;
  points.forEach(([at, ...values], i) => {
    const bits = values[7] ?? 0;
    const before = points[i - 1]?.[0] ?? at;
    const from = at - before > GAP_MS ? at : before; // what was in between counts as this point
    if (open && (!bits || at - before > GAP_MS)) open = null;
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
    silent: true, animation: false, z: 4, // above the areas, which are at 3
    itemStyle: { color: { image: hatch, repeat: "repeat" } },
    data: doubted.map((one) => [{ xAxis: one.from - from }, { xAxis: one.to - from }]),
  };
}

// Diagonal lines on a veil, which patterns repeat: dark and light, so that they show on any colour.
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
  for (const shift of [-side, 0, side]) { // its corners belong to the neighbours' lines
    context.moveTo(shift - 1, side + 1);
    context.lineTo(shift + side + 1, -1);
  }
  context.stroke();
  return tile;
}

// Milliseconds of a session as minutes and seconds, such as 1:02.5.
export function formatSecond(ms) {
  const tenths = Math.round(Math.abs(ms) / 100);
  const [minutes, rest] = [Math.floor(tenths / 600), tenths % 600];
  const seconds = String(Math.floor(rest / 10)).padStart(2, "0");
  const fraction = rest % 10 ? `.${rest % 10}` : "";
  return `${ms < 0 ? "-" : ""}${minutes}:${seconds}${fraction}`;
}

function formatValue(value) {
  return typeof value === "number" ? String(Math.round(100 * value) / 100) : "";
}
