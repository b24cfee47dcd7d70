// What the scripts of the panels share; NiceGUI serves this folder as "affectline-dashboard".
export { AFFECT, layOut, chartOption, formatSecond } from "./echart.js";
