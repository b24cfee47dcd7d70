// Formats and parses times of a session.

// Format seconds as h:mm:ss.s
export function formatTime(seconds) {
  const tenths = Math.round(Math.abs(seconds) * 10);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60];
  const rest = `${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
  return `${seconds < 0 && tenths ? "\u2212" : ""}${hours}:${two(minutes)}:${rest}`;
}

// The shortest format, for axis labels.
export function clockOf(seconds) {
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// The time of day in the browser's time zone and language.
export function wallClock(ms) {
  return new Date(ms).toLocaleTimeString();
}

export const TICK_WIDTH = 74; // width of a time axis label in pixels

// Parse a typed time to seconds; null if it is not a time.
export function readTime(text) {
  const match = /^([-\u2212]?)(?:(?:(\d+):)?(\d+):)?(\d{1,6}(?:\.\d+)?)$/.exec(text.trim());
  if (!match) return null;
  const [, sign, hours, minutes, seconds] = match;
  const read = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds);
  return sign ? -read : read;
}
