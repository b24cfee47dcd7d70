// Drawing functions shared by both canvases.

// Fit a canvas to its element in screen pixels; returns its context, in CSS pixels.
export function fit(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Returns a function that looks up the page's colours by name.
export function colours(element) {
  const style = getComputedStyle(element);
  return (name) => style.getPropertyValue(`--${name}`).trim() || "#888";
}

// Draw the expressions stacked, from the bottom: bands of [second, seven percentages, doubts].
export function drawBands(context, bands, { labels, gap, x, top, height, colour, alpha = 1 }) {
  for (const run of runs(bands, gap)) {
    let below = run.map(() => 0);
    labels.forEach((label, i) => {
      const above = run.map((point, j) => below[j] + point[i + 1]);
      context.beginPath();
      run.forEach(([second], j) => context.lineTo(x(second), top + height * (1 - above[j] / 100)));
      for (let j = run.length - 1; j >= 0; j -= 1) {
        context.lineTo(x(run[j][0]), top + height * (1 - below[j] / 100));
      }
      context.closePath();
      context.globalAlpha = alpha;
      context.fillStyle = colour(label);
      context.fill();
      below = above;
    });
  }
  context.globalAlpha = 1;
}

// Draw a line of [second, value].
export function drawLine(context, points, { gap, x, y, stroke, width = 1.75, halo = null }) {
  context.lineJoin = "round";
  for (const run of runs(points, gap)) {
    context.beginPath();
    run.forEach(([second, value]) => context.lineTo(x(second), y(value)));
    if (run.length === 1) context.arc(x(run[0][0]), y(run[0][1]), 1, 0, 7);
    if (halo) {
      context.strokeStyle = halo;
      context.lineWidth = width + 3;
      context.stroke();
    }
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.stroke();
  }
}

// Split points into runs without gaps.
export function* runs(points, gap) {
  let run = [];
  for (const point of points) {
    if (run.length && point[0] - run.at(-1)[0] > gap) {
      yield run;
      run = [];
    }
    run.push(point);
  }
  if (run.length) yield run;
}

// Diagonal stripes over a part of a row that is not to be trusted.
export function hatch(context, left, top, width, height, { ink, paper }) {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.globalAlpha = 0.45;
  context.fillStyle = paper;
  context.fillRect(left, top, width, height);
  context.globalAlpha = 0.8;
  context.strokeStyle = ink;
  context.lineWidth = 1.5;
  context.beginPath();
  for (let at = Math.floor((left - height) / 8) * 8; at < left + width; at += 8) {
    context.moveTo(at, top + height);
    context.lineTo(at + height, top);
  }
  context.stroke();
  context.restore();
}
