// What the components of the pages share; NiceGUI serves this folder as "affectline-dashboard".
export { link } from "./link.js";
export { decode, draw, drawBlank } from "./picture.js";
export { onKeys } from "./keys.js";
export { charted, option } from "./charted.js";
