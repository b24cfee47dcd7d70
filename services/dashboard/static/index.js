// Shared by the scripts of the panels; NiceGUI serves this folder as "affectline-dashboard".
export {
  chartOption, findDoubts, formatClock, formatFixed, formatMoment, formatSecond, hatching, layOut,
  partsOf, placeMarkers,
} from "./echart.js";
export { KINDS, scaleOf, timeTicks } from "./scales.js";
export { remember, remembered } from "./memory.js";
