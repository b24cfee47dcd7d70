// Draws a frame with the boxes and labels of its faces.

const PLAIN = "#ebebeb";
const DARK = "#191919";
// In screen pixels:
const HATCH = 7; // width of the band around a doubted face
const STRIPE = 5;
const TEXT = 14;
const SMALL = 300; // narrower frames have boxes without text

// Remove a frame's JPEG file from the message and decode it, in time for the next repaint; null
// if a recording has none, or the file is damaged.
export async function decode(frame) {
  const jpeg = frame.jpeg;
  delete frame.jpeg;
  const blob = new Blob([jpeg], { type: "image/jpeg" });
  const image = jpeg.length ? await createImageBitmap(blob).catch(() => null) : null;
  await new Promise(requestAnimationFrame);
  return image;
}

// Draw a decoded frame with its boxes onto a canvas.
export function draw(canvas, image, frame, colours) {
  const context = fit(canvas, frame.size);
  context.drawImage(image, 0, 0, ...frame.size);
  drawFaces(context, frame, colours);
}

// Draw the boxes only, for recordings without images.
export function drawBlank(canvas, frame, colours) {
  const context = fit(canvas, frame.size);
  context.fillStyle = "#3a3f45";
  context.fillRect(0, 0, ...frame.size);
  drawFaces(context, frame, colours);
}

// Give a canvas the resolution of the screen, or of the frame if that is higher; drawing uses the
// frame's coordinates.
function fit(canvas, [width, height]) {
  const sharpness = Math.max(1, (canvas.clientWidth * devicePixelRatio) / width);
  const wide = Math.round(width * sharpness);
  const high = Math.round(height * sharpness);
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context.setTransform(wide / width, 0, 0, high / height, 0, 0);
  return context;
}

function drawFaces(context, frame, colours) {
  const [width, height] = frame.size;
  const { clientWidth, clientHeight } = context.canvas;
  // Size of a screen pixel in frame pixels; the frame may have bars beside it
  const unit = clientWidth ? Math.max(width / clientWidth, height / clientHeight) : width / 640;
  const hasWords = width / unit >= SMALL;
  for (const face of frame.faces) drawFace(context, face, { width, height, unit, hasWords }, colours);
}

function drawFace(context, face, { width, height, unit, hasWords }, colours) {
  const [x, y, w, h] = face.box;
  const colour = colours[face.label] ?? PLAIN;
  context.save();
  context.translate(x + w / 2, y + h / 2);
  context.rotate((-face.angle * Math.PI) / 180); // positive is counter-clockwise on the screen
  for (const [style, thick] of [[DARK, 4], [colour, 2.5]]) {
    context.strokeStyle = style;
    context.lineWidth = thick * unit;
    context.strokeRect(-w / 2, -h / 2, w, h);
  }
  const doubts = face.doubts ?? [];
  if (doubts.length) hatchAround(context, w, h, unit);
  context.restore();
  if (!hasWords) return;
  const reasons = doubts.length ? `doubt: ${doubts.join(", ")}` : "";
  const size = TEXT * unit;
  const below = y + h + (HATCH + 4) * unit;
  const fits = below + size + 3 * unit < height;
  if (reasons && fits) writeBelow(context, reasons, x, below, width, unit);
  context.font = `600 ${size}px system-ui, sans-serif`;
  const words = fits ? title(face) : `${title(face)} ${reasons}`; // never over the face
  const room = context.measureText(words).width + 10 * unit;
  const left = Math.max(0, Math.min(x, width - room));
  const above = doubts.length ? (HATCH + 4) * unit : 2 * unit;
  const bottom = Math.max(size + 6 * unit, y - above);
  context.fillStyle = colour;
  context.fillRect(left, bottom - size - 6 * unit, room, size + 6 * unit);
  context.fillStyle = face.label === "sad" ? "#fff" : DARK; // blue alone is too dark for black
  context.fillText(words, left + 5 * unit, bottom - 6 * unit);
}

// Draw a band of dark and light stripes outside a box: visible without colours, and not on the face.
function hatchAround(context, w, h, unit) {
  const inner = 3 * unit;
  const outer = inner + HATCH * unit;
  const step = STRIPE * unit;
  const [right, bottom] = [w / 2 + outer, h / 2 + outer];
  context.save();
  context.beginPath();
  context.rect(-right, -bottom, 2 * right, 2 * bottom);
  context.rect(-w / 2 - inner, -h / 2 - inner, w + 2 * inner, h + 2 * inner);
  context.clip("evenodd");
  context.fillStyle = DARK;
  context.fillRect(-right, -bottom, 2 * right, 2 * bottom);
  context.beginPath();
  for (let from = -right - bottom; from < right + bottom; from += 2 * step) {
    context.moveTo(from - bottom, bottom);
    context.lineTo(from + bottom, -bottom);
  }
  context.strokeStyle = PLAIN;
  context.lineWidth = step / Math.SQRT2;
  context.stroke();
  context.restore();
}

function writeBelow(context, words, x, top, width, unit) {
  const size = (TEXT - 1) * unit;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const room = context.measureText(words).width + 10 * unit;
  const left = Math.max(0, Math.min(x, width - room));
  context.fillStyle = DARK;
  context.fillRect(left, top, room, size + 6 * unit);
  context.fillStyle = PLAIN;
  context.fillText(words, left + 5 * unit, top + size + unit);
}

function title(face) {
  if (!face.label) return `#${face.track} ${face.missing ?? ""}`;
  return `#${face.track} ${face.label} ${Math.round(100 * face.confidence)} %`;
}
