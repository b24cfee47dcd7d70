// Draws a picture with the boxes and labels of its faces.

const PLAIN = "#ebebeb";
const DARK = "#191919";

// Remove a frame's JPEG file from the message and decode it, in time for the next repaint; null
// where a recording has none, or the file is damaged.
export async function decode(frame) {
  const jpeg = frame.jpeg;
  delete frame.jpeg;
  const blob = new Blob([jpeg], { type: "image/jpeg" });
  const image = jpeg.length ? await createImageBitmap(blob).catch(() => null) : null;
  await new Promise(requestAnimationFrame);
  return image;
}

// Draw a decoded picture with its boxes onto a canvas.
export function draw(canvas, image, frame, colours) {
  const context = fit(canvas, frame.size);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  for (const face of frame.faces) drawFace(context, face, canvas.width, colours);
}

// The same where a recording has no pictures.
export function drawBlank(canvas, frame, colours) {
  const context = fit(canvas, frame.size);
  context.fillStyle = "#3a3f45";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const face of frame.faces) drawFace(context, face, canvas.width, colours);
}

function fit(canvas, [width, height]) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return canvas.getContext("2d");
}

function drawFace(context, face, width, colours) {
  const [x, y, w, h] = face.box;
  const colour = colours[face.label] ?? PLAIN;
  const unit = Math.max(1, width / 640);
  context.save();
  context.translate(x + w / 2, y + h / 2);
  context.rotate((-face.angle * Math.PI) / 180); // positive is counter-clockwise on the screen
  for (const [style, thick] of [[DARK, 5], [colour, 3]]) {
    context.strokeStyle = style;
    context.lineWidth = thick * unit;
    context.strokeRect(-w / 2, -h / 2, w, h);
  }
  context.restore();
  const size = 18 * unit;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const words = title(face);
  const room = context.measureText(words).width + 10 * unit;
  const left = Math.max(0, Math.min(x, width - room));
  const bottom = Math.max(size + 6 * unit, y - 2 * unit);
  context.fillStyle = colour;
  context.fillRect(left, bottom - size - 6 * unit, room, size + 6 * unit);
  context.fillStyle = face.label === "sad" ? "#fff" : DARK; // blue alone is too dark for black
  context.fillText(words, left + 5 * unit, bottom - 6 * unit);
}

function title(face) {
  if (!face.label) return `#${face.track} ${face.missing ?? ""}`;
  return `#${face.track} ${face.label} ${Math.round(100 * face.confidence)} %`;
}
