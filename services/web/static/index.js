// Shared by the scripts of all pages; NiceGUI serves this folder as "affectline-web".
export { feed, FeedSocket } from "./socket.js";
export { decode, draw, drawBlank } from "./picture.js";
export { onKeys } from "./keys.js";
