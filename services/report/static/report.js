// Lets readers zoom the charts and read values; without this script the charts are static.
"use strict";

const WIDE = 100000;
const HIGH = 10000;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400,
  43200];
const TICKS = 6;

// Format seconds as minutes and seconds, such as 3:05.
function clock(seconds, decimals) {
  const units = 10 ** decimals;
  const whole = Math.round(Math.abs(seconds) * units);
  const total = Math.floor(whole / units);
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n) => String(n).padStart(2, "0");
  const start = h ? `${h}:${two(m)}` : String(m);
  const rest = decimals ? `.${String(whole % units).padStart(decimals, "0")}` : "";
  return `${seconds < 0 && whole ? "\u2212" : ""}${start}:${two(s)}${rest}`;
}

// The points of a path in the chart's units; a gap starts a new part.
function pointsOf(path) {
  const points = [];
  for (const part of path.getAttribute("d").split("M").slice(1)) {
    const [start, steps = ""] = part.split("l");
    let [x, y] = start.split(/[ hV]/).map(Number);
    points.push([x, y, points.length > 0]);
    const numbers = steps.split("V")[0].split(" ").filter(Boolean).map(Number);
    for (let i = 0; i + 1 < numbers.length; i += 2) {
      x += numbers[i];
      y += numbers[i + 1];
      points.push([x, y, false]);
    }
  }
  return points;
}

// Height of a curve at a position, in the chart's units; null without one.
function heightAt(points, place) {
  let low = 0, high = points.length - 1;
  if (high < 0 || place < points[0][0] || place > points[high][0]) return null;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= place) low = middle; else high = middle;
  }
  if (points[high][2] && place < points[high][0]) return place - points[low][0] < 50 ? points[low][1] : null;
  return place - points[low][0] <= points[high][0] - place ? points[low][1] : points[high][1];
}

class Row {
  constructor(figure) {
    this.figure = figure;
    this.plot = figure.querySelector(".plot");
    this.draw = figure.querySelector(".draw");
    this.inner = [...figure.querySelectorAll(".inner")];
    this.output = document.createElement("output");
    figure.querySelector("figcaption").prepend(this.output);
    this.cross = document.createElement("i");
    this.cross.className = "cross";
    this.cross.hidden = true;
    this.draw.firstElementChild.append(this.cross);
  }

  get curves() {
    this.read ??= [...this.draw.querySelectorAll("path[data-name]")].map((path) => (
      { name: path.dataset.name, points: pointsOf(path) }));
    return this.read;
  }

  // Show the curves' values at a position from 0 to 1.
  tell(place, time) {
    const { low, high, decimals, unit, stacked } = this.plot.dataset;
    const toValue = (y) => Number(low) + (1 - y / HIGH) * (high - low);
    const found = this.curves.map(({ name, points }) => (
      { name, y: heightAt(points, place * WIDE) })).filter(({ y }) => y !== null);
    const short = unit.length <= 6 ? ` ${unit}` : "";
    const words = found.map(({ name, y }, i) => {
      // The topmost layer comes first, and each edge includes all layers below it
      const below = stacked === undefined ? null : found[i + 1]?.y ?? HIGH;
      const value = below === null ? toValue(y) : toValue(y) - toValue(below);
      const text = value.toFixed(Number(decimals)).replace("-", "\u2212");
      return { value, text: found.length > 1 ? `${name} ${text}` : text };
    });
    const told = stacked === undefined ? words
      : words.sort((a, b) => b.value - a.value).slice(0, 3);
    this.output.textContent = told.length
      ? `${time}: ${told.map((one) => one.text).join(", ")}${short}` : time;
    this.cross.style.left = `${100 * place}%`;
    this.cross.hidden = false;
  }

  hush() {
    this.output.textContent = "";
    this.cross.hidden = true;
  }
}

class Chart {
  constructor(element) {
    this.element = element;
    this.first = Number(element.dataset.first);
    this.last = Number(element.dataset.last);
    this.rows = [...element.querySelectorAll(".row")].map((figure) => new Row(figure));
    this.addTools();
    for (const row of this.rows) this.listen(row);
    addEventListener("beforeprint", () => this.show(0, 1));
    this.show(0, 1);
  }

  addTools() {
    const tools = document.createElement("div");
    tools.className = "tools";
    const actions = [
      ["\u2212", "Show more", () => this.zoom(2)], ["+", "Enlarge", () => this.zoom(0.5)],
      ["\u2190", "Earlier", () => this.move(-0.5)], ["\u2192", "Later", () => this.move(0.5)],
      ["All", "Whole session", () => this.show(0, 1)],
    ];
    for (const [text, title, act] of actions) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: text, title, onclick: act });
      button.setAttribute("aria-label", title);
      tools.append(button);
    }
    tools.append("Drag over a stretch to enlarge it; double-click to show everything.");
    this.element.prepend(tools);
  }

  zoom(factor) {
    const middle = (this.begin + this.end) / 2;
    const half = Math.min(0.5, factor * (this.end - this.begin) / 2);
    const begin = Math.max(0, Math.min(1 - 2 * half, middle - half));
    this.show(begin, begin + 2 * half);
  }

  move(share) {
    const width = this.end - this.begin;
    const begin = Math.max(0, Math.min(1 - width, this.begin + share * width));
    this.show(begin, begin + width);
  }

  // Show the part between two positions from 0 to 1.
  show(begin, end) {
    const least = Math.min(1, 0.5 / (this.last - this.first));
    if (end - begin < least) return;
    [this.begin, this.end] = [begin, end];
    const left = `${-100 * begin / (end - begin)}%`;
    const width = `${100 / (end - begin)}%`;
    const labels = this.labels();
    for (const row of this.rows) {
      for (const inner of row.inner) Object.assign(inner.style, { left, width });
      row.figure.querySelector(".xs .inner").replaceChildren(...labels.map(([place, text]) => {
        const span = document.createElement("span");
        span.textContent = text;
        span.style.left = `${100 * place}%`;
        span.classList.toggle("end", (place - begin) / (end - begin) > 0.96);
        return span;
      }));
    }
  }

  labels() {
    const all = this.last - this.first;
    const [from, to] = [this.first + this.begin * all, this.first + this.end * all];
    const step = STEPS.find((one) => (to - from) / one <= TICKS) ?? STEPS.at(-1);
    const found = [];
    for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9; i += 1) {
      found.push([(i * step - this.first) / all, clock(i * step, step < 1 ? 1 : 0)]);
    }
    return found;
  }

  // The pointer's position, from 0 to 1 of the whole.
  placeOf(event, row) {
    const box = row.draw.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    return this.begin + share * (this.end - this.begin);
  }

  listen(row) {
    const { draw } = row;
    let start = null;
    let area = null;
    draw.addEventListener("pointermove", (event) => {
      const place = this.placeOf(event, row);
      const time = clock(this.first + place * (this.last - this.first), 1);
      for (const one of this.rows) one.tell(place, time);
      if (start === null) return;
      area.style.left = `${100 * Math.min(start, place)}%`;
      area.style.width = `${100 * Math.abs(place - start)}%`;
    });
    draw.addEventListener("pointerleave", () => this.rows.forEach((one) => one.hush()));
    draw.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      start = this.placeOf(event, row);
      area = document.createElement("i");
      area.className = "select";
      draw.firstElementChild.append(area);
      draw.setPointerCapture(event.pointerId);
    });
    const finish = (event) => {
      if (start === null) return;
      const place = this.placeOf(event, row);
      const [begin, end] = [Math.min(start, place), Math.max(start, place)];
      area.remove();
      start = null;
      const moved = (end - begin) / (this.end - this.begin) > 0.01;
      if (event.type === "pointerup" && moved) this.show(begin, end);
    };
    draw.addEventListener("pointerup", finish);
    draw.addEventListener("pointercancel", finish);
    draw.addEventListener("dblclick", () => this.show(0, 1));
  }
}

for (const element of document.querySelectorAll(".chart")) new Chart(element);
