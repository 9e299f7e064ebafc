"use strict";
// The map of a corpus: points by WebGL (by a plain canvas where there is none), names and everything else beside them.
// Data come as base64 of gzipped JSON; nothing of it is ever HTML: texts are set as text.

const el = id => document.getElementById(id);
const make = (tag, props = {}, ...inner) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...inner);
  return made;
};
const bytesOf = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const folded = text => text.normalize("NFC").toLowerCase();
const counted = n => n.toLocaleString("en");

const PAGE = 200;          // articles of a list at once
const RADIUS = 9;          // CSS pixels within which a point is under the pointer
const MARGIN = 1.12;       // of the view around all points
const CELLS = 256;         // of the grid that finds points, each way
const NEAREST_ZOOM = 4000; // how far one may zoom in
const BROAD_UNTIL = 2.2;   // zoom up to which broad topics are named

let data, size, xs, ys, fields, columns, lower, grid;
const state = { zoom: 1, x: 0, y: 0, field: 0, chosen: -1, found: null, query: "", article: -1, over: -1, shown: PAGE };

async function load() {
  const stream = new Blob([bytesOf(el("data").textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  data = JSON.parse(await new Response(stream).text());
  el("data").remove();
  size = data.titles.length;
  const places = new Uint16Array(bytesOf(data.places).buffer);
  xs = new Float32Array(size);
  ys = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    xs[i] = places[2 * i] / 32767.5 - 1;
    ys[i] = 1 - places[2 * i + 1] / 32767.5;
  }
  fields = data.fields;
  columns = fields.map(field => new Uint16Array(bytesOf(field.codes).buffer));
  buildGrid();
}

// --- which points are where ---

function cellOf(x, y) {
  const at = v => Math.max(0, Math.min(CELLS - 1, Math.floor((v + 1) / 2 * CELLS)));
  return at(y) * CELLS + at(x);
}

function buildGrid() {
  const starts = new Uint32Array(CELLS * CELLS + 1);
  for (let i = 0; i < size; i++) starts[cellOf(xs[i], ys[i]) + 1]++;
  for (let c = 0; c < CELLS * CELLS; c++) starts[c + 1] += starts[c];
  const next = starts.slice(), rows = new Uint32Array(size);
  for (let i = 0; i < size; i++) rows[next[cellOf(xs[i], ys[i])]++] = i;
  grid = { starts, rows };
}

function nearest(px, py) {
  const reach = RADIUS / view.scale, [x, y] = fromScreen(px, py);
  const low = cellOf(x - reach, y - reach), high = cellOf(x + reach, y + reach);
  let best = -1, least = reach * reach;
  for (let row = Math.floor(low / CELLS); row <= Math.floor(high / CELLS); row++) {
    const from = grid.starts[row * CELLS + low % CELLS], to = grid.starts[row * CELLS + high % CELLS + 1];
    for (let k = from; k < to; k++) {
      const i = grid.rows[k], d = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
      if (d <= least && isLit(i)) { best = i; least = d; }
    }
  }
  return best;
}

// --- the view ---

const view = { width: 1, height: 1, ratio: 1, scale: 1 };

function measure() {
  const box = el("names").getBoundingClientRect();
  view.width = Math.max(1, box.width);
  view.height = Math.max(1, box.height);
  view.ratio = Math.min(2, window.devicePixelRatio || 1);
  for (const canvas of [el("points"), el("names")]) {
    canvas.width = Math.round(view.width * view.ratio);
    canvas.height = Math.round(view.height * view.ratio);
  }
}

const toScreen = (x, y) => [view.width / 2 + (x - state.x) * view.scale, view.height / 2 - (y - state.y) * view.scale];
const fromScreen = (px, py) => [state.x + (px - view.width / 2) / view.scale, state.y - (py - view.height / 2) / view.scale];

function zoomBy(factor, px = view.width / 2, py = view.height / 2) {
  const [x, y] = fromScreen(px, py);
  state.zoom = Math.max(0.5, Math.min(NEAREST_ZOOM, state.zoom * factor));
  rescale();
  const [nx, ny] = fromScreen(px, py);
  state.x += x - nx;
  state.y += y - ny;
  draw();
}

function rescale() {
  view.scale = Math.min(view.width, view.height) / 2 / MARGIN * state.zoom;
}

function goTo(x, y, zoom) {
  Object.assign(state, { x, y, zoom: Math.max(state.zoom, zoom) });
  draw();
}

// all of a topic but its stragglers
function fit(code) {
  const away = [], { x, y } = data.topics[code];
  for (let i = 0; i < size; i++) if (columns[0][i] === code) away.push(Math.max(Math.abs(xs[i] - x), Math.abs(ys[i] - y)));
  const reach = away.sort((a, b) => a - b)[Math.floor(away.length * 0.9)] || 1;
  Object.assign(state, { x, y, zoom: Math.max(1, Math.min(30, 0.8 / Math.max(reach, 0.01))) });
  draw();
}

function showAll() {
  Object.assign(state, { x: 0, y: 0, zoom: 1 });
  draw();
}

// --- colours ---

const isDark = () => {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

function colourOf(field, code) {
  if (code >= fields[field].plain) return null; // what has no value
  const hue = fields[field].hues[code], dark = isDark();
  return hslToRgb(hue, fields[field].ordered ? 0.65 : 0.62, (dark ? 0.62 : 0.44) + (code % 3 - 1) * 0.06);
}

function hslToRgb(h, s, l) {
  const part = n => {
    const k = (n + h / 30) % 12;
    return Math.round(255 * (l - s * Math.min(l, 1 - l) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}

const css = rgb => rgb ? `rgb(${rgb.join(" ")})` : "var(--none)";
const isLit = i => (state.chosen < 0 || columns[state.field][i] === state.chosen) && (!state.found || state.found[i] === 1);

function paint() {
  const colours = new Uint8Array(4 * size), column = columns[state.field];
  const palette = fields[state.field].names.map((_, code) => colourOf(state.field, code) || (isDark() ? [86, 91, 100] : [185, 188, 194]));
  const some = state.chosen >= 0 || state.found, dim = Math.max(5, Math.min(40, 4e5 / size)); // many faint points add up
  for (let i = 0; i < size; i++) {
    const rgb = palette[column[i]], lit = isLit(i);
    colours[4 * i] = rgb[0];
    colours[4 * i + 1] = rgb[1];
    colours[4 * i + 2] = rgb[2];
    colours[4 * i + 3] = lit ? (some ? 255 : 190) : dim;
  }
  drawer.colours(colours);
}

// --- points ---

const VERTEX = `attribute vec2 place; attribute vec4 colour; uniform vec2 middle; uniform vec2 scale; uniform mediump float size; varying mediump vec4 shade;
void main() { gl_Position = vec4((place - middle) * scale, 0.0, 1.0); gl_PointSize = size; shade = colour; }`;
const FRAGMENT = `precision mediump float; varying mediump vec4 shade; uniform mediump float size;
void main() { float d = length(gl_PointCoord - 0.5) * size; float a = shade.a * clamp(size * 0.5 - d, 0.0, 1.0); gl_FragColor = vec4(shade.rgb * a, a); }`;

function webgl(canvas) {
  const gl = canvas.getContext("webgl", { antialias: false, premultipliedAlpha: true });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const attribute = (name, parts, kind, normal) => {
    const buffer = gl.createBuffer(), at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, parts, kind, normal, 0, 0);
    return values => { gl.bindBuffer(gl.ARRAY_BUFFER, buffer); gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW); };
  };
  const places = new Float32Array(2 * size);
  for (let i = 0; i < size; i++) { places[2 * i] = xs[i]; places[2 * i + 1] = ys[i]; }
  attribute("place", 2, gl.FLOAT, false)(places);
  const colours = attribute("colour", 4, gl.UNSIGNED_BYTE, true);
  const uniform = name => gl.getUniformLocation(program, name);
  const at = { middle: uniform("middle"), scale: uniform("scale"), size: uniform("size") };
  return {
    kind: "webgl",
    colours,
    points() {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(at.middle, state.x, state.y);
      gl.uniform2f(at.scale, 2 * view.scale / view.width, 2 * view.scale / view.height);
      gl.uniform1f(at.size, pointSize() * view.ratio);
      gl.drawArrays(gl.POINTS, 0, size);
    },
  };
}

function plainCanvas(canvas) {
  const context = canvas.getContext("2d");
  let of = new Uint8Array(0);
  return {
    kind: "2d",
    colours(values) { of = values; },
    points() {
      context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
      context.clearRect(0, 0, view.width, view.height);
      const side = pointSize();
      for (let i = 0; i < size; i++) {
        const [px, py] = toScreen(xs[i], ys[i]);
        if (px < -side || py < -side || px > view.width + side || py > view.height + side) continue;
        context.fillStyle = `rgba(${of[4 * i]},${of[4 * i + 1]},${of[4 * i + 2]},${of[4 * i + 3] / 255})`;
        context.fillRect(px - side / 2, py - side / 2, side, side);
      }
    },
  };
}

// smaller where there are many, larger the nearer one looks
const pointSize = () => Math.max(2, Math.min(14, 60 / Math.sqrt(Math.sqrt(size) * 4) * Math.pow(state.zoom, 0.42)));

let drawer, isDrawn = false;

function draw() {
  rescale();
  if (isDrawn) return;
  isDrawn = true;
  requestAnimationFrame(() => {
    isDrawn = false;
    drawer.points();
    drawNames();
  });
}

// --- names: the largest topics first, none over another ---

let placed = [];

function drawNames() {
  const context = el("names").getContext("2d"), style = getComputedStyle(document.body);
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  placed = [];
  if (state.article >= 0) ring(context, state.article);
  if (state.over >= 0) ring(context, state.over);
  const isFar = state.zoom < BROAD_UNTIL && data.broad.length > 1;
  for (const [topics, points, weight] of isFar ? [[data.broad, 17, 650], [data.topics, 12, 400]] : [[data.topics, 14, 500]]) {
    context.font = `${weight} ${points}px ${style.fontFamily}`;
    for (const topic of topics) name(context, topic, points);
  }
}

function name(context, topic, points) {
  const [px, py] = toScreen(topic.x, topic.y);
  if (px < 0 || py < 0 || px > view.width || py > view.height || !topic.name) return;
  const lines = wrapped(context, topic.name), width = Math.max(...lines.map(line => context.measureText(line).width));
  const high = points * 1.25, box = [px - width / 2 - 5, py - lines.length * high / 2 - 3, px + width / 2 + 5, py + lines.length * high / 2 + 3];
  if (box[0] < 0 || box[2] > view.width || box[1] < 0 || box[3] > view.height) return;
  if (placed.some(other => box[0] < other.box[2] && other.box[0] < box[2] && box[1] < other.box[3] && other.box[1] < box[3])) return;
  placed.push({ name: topic.name, box });
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = isDark() ? "rgba(20,22,26,.88)" : "rgba(251,251,250,.9)";
  context.fillStyle = isDark() ? "#f2f3f5" : "#15171a";
  lines.forEach((line, number) => {
    const at = py + (number - (lines.length - 1) / 2) * high;
    context.strokeText(line, px, at);
    context.fillText(line, px, at);
  });
}

function wrapped(context, text) {
  const words = text.split(" "), lines = [""];
  for (const word of words) {
    const longer = lines[lines.length - 1] ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines[lines.length - 1] && context.measureText(longer).width > 150) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.slice(0, 3);
}

function ring(context, i) {
  const [px, py] = toScreen(xs[i], ys[i]);
  context.beginPath();
  context.arc(px, py, pointSize() / 2 + 4, 0, 7);
  context.lineWidth = 2;
  context.strokeStyle = isDark() ? "#fff" : "#000";
  context.stroke();
}

// --- the list, which has everything that the map shows ---

const valueOf = (field, i) => fields[field].names[columns[field][i]];
const tell = text => { el("status").textContent = text; };

function listTopics() {
  const field = fields[state.field], list = make("ul");
  field.names.forEach((text, code) => {
    if (!field.counts[code]) return;
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = css(colourOf(state.field, code));
    const button = make("button", { type: "button" }, swatch, make("span", { textContent: text }), make("small", { textContent: counted(field.counts[code]) }));
    button.setAttribute("aria-pressed", String(state.chosen === code));
    button.addEventListener("click", () => choose(state.chosen === code ? -1 : code));
    list.append(make("li", {}, button));
  });
  return list;
}

function listArticles() {
  const list = make("ul");
  let number = 0, all = 0;
  for (let i = 0; i < size; i++) {
    if (!isLit(i)) continue;
    all++;
    if (number >= state.shown) continue;
    number++;
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = css(colourOf(state.field, columns[state.field][i]));
    const button = make("button", { type: "button" }, swatch, make("span", { textContent: data.titles[i] || data.ids[i] }));
    button.addEventListener("click", () => open(i, true));
    list.append(make("li", {}, button));
  }
  if (all > number) {
    const more = make("button", { type: "button" }, make("span"), make("span", { textContent: `${counted(all - number)} more` }));
    more.addEventListener("click", () => { state.shown += PAGE; showList(); el("list").querySelectorAll("li button")[number]?.focus(); });
    list.append(make("li", {}, more));
  }
  return [list, all];
}

function showList() {
  const box = el("list"), parts = [];
  const back = make("button", { type: "button", textContent: "All" });
  back.addEventListener("click", () => { el("search").value = ""; search(""); choose(-1); });
  if (state.chosen >= 0 || state.found) {
    const [list, all] = listArticles();
    const what = state.chosen >= 0 ? fields[state.field].names[state.chosen] : `“${state.query}”`;
    parts.push(make("div", { className: "heading" }, make("span", { textContent: `${what}: ${counted(all)} articles` }), back), list);
    tell(`${counted(all)} of ${counted(size)} articles: ${what}`);
  } else {
    parts.push(make("div", { className: "heading" }, make("span", { textContent: fields[state.field].title })), listTopics());
    tell(`${counted(size)} articles, ${counted(data.topics.length)} topics`);
  }
  box.replaceChildren(...parts);
}

function choose(code) {
  state.chosen = code;
  state.shown = PAGE;
  if (code >= 0 && fields[state.field].is_topic && data.topics[code]) fit(code);
  paint();
  draw();
  showList();
  if (code >= 0) el("list").querySelector("button")?.focus();
}

function search(text) {
  const wanted = folded(text.trim()).split(/\s+/).filter(Boolean);
  state.query = text.trim();
  state.shown = PAGE;
  if (!wanted.length) state.found = null;
  else {
    lower ??= data.titles.map((title, i) => folded(`${title} ${data.ids[i]} ${valueOf(0, i)}`));
    state.found = new Uint8Array(size);
    for (let i = 0; i < size; i++) if (wanted.every(word => lower[i].includes(word))) state.found[i] = 1;
  }
  paint();
  draw();
  showList();
}

function open(i, moves) {
  state.article = i;
  const rows = [["id", data.ids[i]], ...fields.map((field, f) => [field.title, valueOf(f, i)])];
  const facts = make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: value })]));
  const close = make("button", { type: "button", textContent: "Close" });
  close.addEventListener("click", () => { state.article = -1; el("article").hidden = true; draw(); el("names").focus(); });
  const parts = [make("h2", { textContent: data.titles[i] || data.ids[i] }), facts];
  if (/^https?:\/\//i.test(data.urls[i])) {
    parts.push(make("p", {}, make("a", { href: data.urls[i], target: "_blank", rel: "noopener noreferrer", textContent: "Open the article" })));
  }
  el("article").replaceChildren(...parts, close);
  el("article").hidden = false;
  if (moves) goTo(xs[i], ys[i], Math.max(1, Math.min(8, Math.sqrt(size) / 50)));
  else draw();
  el("article").focus();
}

// --- hands ---

function hover(i, px, py) {
  const tip = el("tip");
  if (i !== state.over) {
    state.over = i;
    el("names").classList.toggle("over", i >= 0);
    draw();
  }
  tip.hidden = i < 0;
  if (i < 0) return;
  tip.replaceChildren(data.titles[i] || data.ids[i], make("small", { textContent: fields.map((_, f) => valueOf(f, i)).join(" · ") }));
  tip.style.left = `${Math.min(px + 14, view.width - Math.min(330, view.width))}px`;
  tip.style.top = py > view.height - 90 ? `${py - 70}px` : `${py + 14}px`;
}

function listen() {
  const canvas = el("names"), pointers = new Map();
  let moved = 0, apart = 0;
  const at = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    moved = apart = 0;
  });
  canvas.addEventListener("pointermove", event => {
    const now = at(event), before = pointers.get(event.pointerId);
    if (!before) return hover(nearest(...now), ...now);
    pointers.set(event.pointerId, now);
    moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], distance = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (apart) zoomBy(distance / apart, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      apart = distance;
      return;
    }
    state.x -= (now[0] - before[0]) / view.scale;
    state.y += (now[1] - before[1]) / view.scale;
    hover(-1);
    draw();
  });
  const up = event => {
    if (pointers.delete(event.pointerId) && event.type === "pointerup" && moved < 5) {
      const i = nearest(...at(event));
      if (i >= 0) open(i, false);
    }
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => hover(-1));
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...at(event));
  }, { passive: false });
  canvas.addEventListener("keydown", event => {
    const step = 60 / view.scale, by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (by) { state.x += by[0]; state.y += by[1]; draw(); }
    else if (event.key === "+" || event.key === "=") zoomBy(1.3);
    else if (event.key === "-") zoomBy(1 / 1.3);
    else if (event.key === "0") showAll();
    else return;
    event.preventDefault();
  });
  let waiting;
  el("search").addEventListener("input", event => { clearTimeout(waiting); waiting = setTimeout(() => search(event.target.value), 120); });
  el("colour").addEventListener("change", event => { state.field = Number(event.target.value); state.chosen = -1; paint(); draw(); showList(); });
  el("all").addEventListener("click", showAll);
  el("in").addEventListener("click", () => zoomBy(1.5));
  el("out").addEventListener("click", () => zoomBy(1 / 1.5));
  el("theme").addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; paint(); draw(); showList(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { paint(); draw(); showList(); });
  new ResizeObserver(() => { measure(); draw(); }).observe(el("names"));
}

function start() {
  fields.forEach((field, number) => el("colour").append(make("option", { value: String(number), textContent: field.title })));
  measure();
  drawer = webgl(el("points"));
  if (!drawer) { // a canvas that was asked for WebGL gives no other context
    el("points").replaceWith(el("points").cloneNode());
    measure();
    drawer = plainCanvas(el("points"));
  }
  el("points").addEventListener("webglcontextlost", event => event.preventDefault());
  el("points").addEventListener("webglcontextrestored", () => { drawer = webgl(el("points")); paint(); draw(); });
  paint();
  draw();
  listen();
  showList();
  document.documentElement.dataset.ready = "true";
}

load().then(start).catch(error => tell(`This map cannot be shown: ${error.message}. A browser of 2023 or later is needed.`));
