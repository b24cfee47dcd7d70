// Times of a session, for people.

// Seconds as h:mm:ss.s
export function formatTime(seconds) {
  const tenths = Math.round(Math.abs(seconds) * 10);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60];
  const rest = `${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
  return `${seconds < 0 && tenths ? "\u2212" : ""}${hours}:${two(minutes)}:${rest}`;
}

// The same as short as it can be told: for labels of axes.
export function clockOf(seconds) {
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// The time of day, by the browser's clock and language.
export function wallClock(ms) {
  return new Date(ms).toLocaleTimeString();
}

export const TICK_WIDTH = 74; // pixels of a label of the time axis

// Of a time as it was typed: seconds, or null where it is none.
export function readTime(text) {
  const match = /^(?:(?:(\d+):)?(\d+):)?(\d{1,6}(?:\.\d+)?)$/.exec(text.trim());
  if (!match) return null;
  const [, hours, minutes, seconds] = match;
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds);
}
