// What the scripts of the panels share; NiceGUI serves this folder as "affectline-dashboard".
export { AFFECT, layOut, chartOption, findDoubts, formatSecond, hatching } from "./echart.js";
