// The easel of ldm/ui/easel.py: draw on a transparent canvas over a picture.
// Runs once a component, with `element`, `props`, `trigger` and `watch` from Gradio.
// props.value: {width, height, picture, strokes}; pictures are data URLs, "" for none.
// A sketch has two layers, which the sheet shows and sends as one; a mask has one.

const root = element.querySelector(".ldm-easel");
const masking = root.dataset.masking === "true";
const sheet = root.querySelector(".sheet");
const below = root.querySelector("canvas.picture");
const canvas = root.querySelector("canvas.strokes");
const paper = below.getContext("2d");
const view = canvas.getContext("2d", { willReadFrequently: true });
const layers = Array.from({ length: masking ? 1 : 2 }, () =>
  document.createElement("canvas").getContext("2d", { willReadFrequently: true }));
let active = 0;
let ink = layers[active];
const MASK_COLOUR = "#d64060";
const BRUSH_SHARES = [0.012, 0.03, 0.07, 0.14]; // of the sheet's longer side
const HISTORY = 30;

let tool = "brush";
let size = masking ? 2 : 1;
let colour = masking ? MASK_COLOUR : root.querySelector("[data-colour]").dataset.colour;
let past = [];
let future = [];
let last = null; // the pointer's last two places while a stroke runs

const brushWidth = () => BRUSH_SHARES[size] * Math.max(canvas.width, canvas.height);
const pixelsOf = (layer) => layers[layer].getImageData(0, 0, canvas.width, canvas.height);
const snapshot = () => ({ layer: active, pixels: pixelsOf(active) });

// The layers as the sheet shows them.
function render() {
  view.clearRect(0, 0, canvas.width, canvas.height);
  for (const layer of layers) view.drawImage(layer.canvas, 0, 0);
}

function press(buttons, chosen) {
  buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === chosen)));
}

function showHistory() {
  root.querySelector('[data-do="undo"]').disabled = !past.length;
  root.querySelector('[data-do="redo"]').disabled = !future.length;
}

function isBlank() {
  const data = view.getImageData(0, 0, canvas.width, canvas.height).data;
  for (let i = 3; i < data.length; i += 4) if (data[i]) return false;
  return true;
}

// Tell the page what is on the sheet now.
function commit() {
  render();
  const strokes = isBlank() ? "" : canvas.toDataURL("image/png");
  root.dataset.blank = String(!strokes);
  props.value = { ...props.value, strokes };
  showHistory();
  trigger("change");
  const live = document.querySelector(`#${element.closest("[id$=-easel]").id.replace(/-easel$/, "-live")} input`);
  if (live?.checked && strokes) trigger("submit");
}

function remember() {
  past.push(snapshot());
  if (past.length > HISTORY) past.shift();
  future = [];
}

function travel(from, to) {
  if (!from.length) return;
  const { layer, pixels } = from.pop();
  to.push({ layer, pixels: pixelsOf(layer) });
  layers[layer].putImageData(pixels, 0, 0);
  commit();
}

function load(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = url;
  });
}

// Strokes of another shape than the sheet fill it and lose their edges, but are not stretched.
function cover(drawing) {
  const scale = Math.max(canvas.width / drawing.width, canvas.height / drawing.height);
  const [width, height] = [drawing.width * scale, drawing.height * scale];
  layers[0].drawImage(drawing, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

// Show what came from the server.
let shown = 0;
async function show() {
  const turn = ++shown;
  const { width, height, picture, strokes } = props.value;
  const [photo, drawing] = await Promise.all([picture && load(picture), strokes && load(strokes)]);
  if (turn !== shown) return; // a newer value came while the pictures loaded
  for (const layer of [below, canvas, ...layers.map((each) => each.canvas)]) {
    layer.width = width;
    layer.height = height;
  }
  sheet.style.setProperty("--w", width);
  sheet.style.setProperty("--h", height);
  if (photo) paper.drawImage(photo, 0, 0, width, height);
  if (drawing) cover(drawing);
  render();
  root.dataset.picture = String(Boolean(photo));
  root.dataset.blank = String(!drawing);
  root.dataset.shown = String(turn);
  past = [];
  future = [];
  showHistory();
  aim();
}

// A ring of the brush's size as the cursor.
function aim() {
  const scale = canvas.getBoundingClientRect().width / canvas.width || 1;
  const d = Math.max(6, Math.min(120, brushWidth() * scale));
  const box = d + 4;
  const ring = (stroke, width) =>
    `<circle cx="${box / 2}" cy="${box / 2}" r="${d / 2}" fill="none" stroke="${stroke}" stroke-width="${width}"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${box}" height="${box}">${ring("white", 3)}${ring("black", 1)}</svg>`;
  canvas.style.cursor =
    tool === "fill" ? "crosshair" : `url('data:image/svg+xml,${encodeURIComponent(svg)}') ${box / 2} ${box / 2}, crosshair`;
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) / box.width) * canvas.width,
    y: ((event.clientY - box.top) / box.height) * canvas.height,
  };
}

function draw(from, to, bend) {
  ink.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
  ink.strokeStyle = colour;
  ink.lineWidth = brushWidth();
  ink.lineCap = ink.lineJoin = "round";
  ink.beginPath();
  ink.moveTo(from.x, from.y);
  if (from === to) ink.lineTo(to.x + 0.01, to.y); // a line of no length would leave no dot
  else ink.quadraticCurveTo(bend.x, bend.y, to.x, to.y);
  ink.stroke();
  ink.globalCompositeOperation = "source-over";
  render();
}

const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });

// Fill the area of like colour, as the eye sees it: picture and strokes together.
function fill(at) {
  const { width, height } = canvas;
  const seen = document.createElement("canvas");
  seen.width = width;
  seen.height = height;
  const eye = seen.getContext("2d");
  eye.fillStyle = "#ffffff";
  eye.fillRect(0, 0, width, height);
  eye.drawImage(below, 0, 0);
  eye.drawImage(canvas, 0, 0);
  const before = new Uint32Array(eye.getImageData(0, 0, width, height).data.buffer);
  const sheetNow = pixelsOf(active);
  const after = new Uint32Array(sheetNow.data.buffer);
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const paint = (255 << 24) | (b << 16) | (g << 8) | r;
  const start = Math.floor(at.y) * width + Math.floor(at.x);
  const wanted = before[start];
  const near = (pixel) =>
    Math.abs((pixel & 255) - (wanted & 255)) < 32 &&
    Math.abs(((pixel >> 8) & 255) - ((wanted >> 8) & 255)) < 32 &&
    Math.abs(((pixel >> 16) & 255) - ((wanted >> 16) & 255)) < 32;
  const done = new Uint8Array(width * height);
  const open = [start];
  while (open.length) {
    const pixel = open.pop();
    if (done[pixel]) continue;
    done[pixel] = 1;
    after[pixel] = paint;
    if (!near(before[pixel])) continue; // the rim is painted too, so that no pale seam stays
    const x = pixel % width;
    if (x > 0) open.push(pixel - 1);
    if (x < width - 1) open.push(pixel + 1);
    if (pixel >= width) open.push(pixel - width);
    if (pixel < width * (height - 1)) open.push(pixel + width);
  }
  ink.putImageData(sheetNow, 0, 0);
}

function invert() {
  const now = pixelsOf(active);
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(MASK_COLOUR.slice(i, i + 2), 16));
  for (let i = 0; i < now.data.length; i += 4) {
    now.data[i] = r;
    now.data[i + 1] = g;
    now.data[i + 2] = b;
    now.data[i + 3] = 255 - now.data[i + 3];
  }
  ink.putImageData(now, 0, 0);
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button || (masking && root.dataset.picture !== "true")) return;
  event.preventDefault();
  const at = place(event);
  remember();
  if (tool === "fill") {
    fill(at);
    commit();
    return;
  }
  canvas.setPointerCapture(event.pointerId);
  draw(at, at, at);
  last = { at, mid: at };
});

canvas.addEventListener("pointermove", (event) => {
  if (!last) return;
  const moves = event.getCoalescedEvents?.() ?? [];
  for (const move of moves.length ? moves : [event]) {
    const at = place(move);
    const mid = middle(last.at, at);
    draw(last.mid, mid, last.at);
    last = { at, mid };
  }
});

function lift() {
  if (!last) return;
  draw(last.mid, last.at, last.at);
  last = null;
  commit();
}
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
canvas.addEventListener("pointerenter", aim);

const toolButtons = [...root.querySelectorAll("[data-do][aria-pressed]")];
const sizeButtons = [...root.querySelectorAll("[data-size]")];
const layerButtons = [...root.querySelectorAll("[data-layer]")];
const colourButtons = [...root.querySelectorAll("[data-colour]")];

function take(name) {
  tool = name;
  press(toolButtons, root.querySelector(`[data-do="${name}"]`));
  aim();
}

root.querySelector(".tools").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.size) {
    size = Number(button.dataset.size);
    press(sizeButtons, button);
    aim();
  } else if (button.hasAttribute("aria-pressed")) take(button.dataset.do);
  else if (button.dataset.do === "undo") travel(past, future);
  else if (button.dataset.do === "redo") travel(future, past);
  else {
    remember();
    if (button.dataset.do === "invert") invert();
    else ink.clearRect(0, 0, canvas.width, canvas.height);
    commit();
  }
});

layerButtons.forEach((button) => button.addEventListener("click", () => {
  active = Number(button.dataset.layer);
  ink = layers[active];
  press(layerButtons, button);
}));

const own = root.querySelector('input[type="color"]');
function choose(value, button) {
  colour = value;
  press(colourButtons, button);
  if (tool === "eraser") take("brush");
}
colourButtons.forEach((button) => button.addEventListener("click", () => choose(button.dataset.colour, button)));
own?.addEventListener("input", () => {
  own.parentElement.style.setProperty("--colour", own.value);
  choose(own.value, null);
});

element.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
  event.preventDefault();
  if (event.shiftKey) travel(future, past);
  else travel(past, future);
});

// A file dropped on the sheet goes the way of the upload button beside it.
sheet.addEventListener("dragover", (event) => event.preventDefault());
sheet.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("ldm-dropping");
  const input = document.querySelector(`#${element.closest("[id$=-easel]").id}-files input[type=file]`);
  if (!input || !event.dataTransfer.files.length) return;
  const files = new DataTransfer();
  files.items.add(event.dataTransfer.files[0]);
  input.files = files.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

press(sizeButtons, sizeButtons[size]);
watch("value", show);
show();
