// Drawing code of the replay page; NiceGUI serves this folder as "affectline-replay".
export { CurveCanvas } from "./curve_canvas.js";
export { Overview, placeFlags } from "./overview.js";
export { clockOf, formatTime, readTime, wallClock } from "./times.js";
export { panes } from "./panes.js";
