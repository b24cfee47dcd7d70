// Kinds of curves and their scales, for the live page and replays.

// From top to bottom. Parts are the names of the lines and of their colours (the expression has
// those of the labels); isShown is the default.
export const KINDS = [
  { kind: "expression", name: "Expression", parts: [], isShown: true },
  { kind: "affect", name: "Valence, arousal", parts: ["valence", "arousal"], isShown: true },
  { kind: "heart_rate", name: "Heart rate", parts: ["heart"], isShown: true },
  { kind: "skin_conductance", name: "Skin conductance", parts: ["skin"], isShown: true },
  { kind: "nervousness", name: "Nervousness", parts: ["nervousness"], isShown: true },
  { kind: "pose", name: "Head pose", parts: ["yaw", "pitch", "roll"], isShown: false },
  { kind: "eyes", name: "Eyes", parts: ["left-eye", "right-eye"], isShown: false },
];
// Ends of the scale: fixed, or the minimum span.
const SCALES = {
  expression: { min: 0, max: 100 },
  affect: { min: -1, max: 1 },
  nervousness: { min: 0, max: 100 },
  heart_rate: { span: 20, least: 0 },
  skin_conductance: { span: 1, least: 0 },
  pose: { span: 40 },
  eyes: { min: 0, span: 120 },
};
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200]; // of time, in seconds

// Ends of the scale for values, and three to five ticks with different labels.
export function scaleOf(kind, values) {
  const { min, max, span = 0, least = -Infinity } = SCALES[kind] ?? { span: 1 };
  if (min !== undefined && max !== undefined) {
    return { low: min, high: max, ticks: [min, (min + max) / 2, max] };
  }
  let low = min ?? values.reduce((a, b) => Math.min(a, b), Infinity);
  let high = values.reduce((a, b) => Math.max(a, b), min === undefined ? -Infinity : min + span);
  if (!Number.isFinite(low) || !Number.isFinite(high)) [low, high] = [0, span || 1];
  const missing = span - (high - low);
  if (missing > 0) [low, high] = [low - missing / 2, high + missing / 2];
  if (low < least) [low, high] = [least, high + least - low];
  const step = niceStep((high - low) / 3);
  low = min ?? Math.floor(low / step) * step;
  high = Math.ceil(high / step) * step;
  const ticks = [];
  for (let at = low; at <= high + step / 1000; at += step) ticks.push(Number(at.toPrecision(12)));
  return { low, high, ticks };
}

// The smallest 1, 2 or 5 times a power of ten that is not below a value.
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * 0.999);
}

// Ticks of a time axis in seconds, as many as fit.
export function timeTicks(begin, end, width, tickWidth) {
  const most = Math.max(2, Math.floor(width / tickWidth));
  const step = STEPS.find((one) => (end - begin) / one <= most) ?? 14_400;
  const found = [];
  for (let at = Math.ceil(begin / step) * step; at <= end; at += step) found.push(at);
  return found;
}
