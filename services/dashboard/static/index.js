// What the scripts of the panels share; NiceGUI serves this folder as "affectline-dashboard".
export { layOut, chartOption, formatSecond } from "./echart.js";
