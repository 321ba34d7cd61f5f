// The dial: everything is in #data; turning it only draws what is already here.
(() => {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const [height, width] = data.size;
  const levels = data.levels;
  const THUMB = 26; // px, as in the style
  let at = Math.floor(levels.length / 2);
  let picture = 0;
  let alone = null; // the one class that is shown, or null for all

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  function codesOf(level) {
    const view = new DataView(bytes(level.codes).buffer);
    return Array.from({ length: view.byteLength / 4 }, (_, k) => [
      view.getUint16(4 * k, true), view.getUint16(4 * k + 2, true),
    ]);
  }

  async function sheetOf(content) {
    const image = new Image();
    image.src = "data:image/png;base64," + content;
    await image.decode();
    return image;
  }

  function element(parent, tag, properties = {}, text = "") {
    const made = Object.assign(document.createElement(tag), properties);
    if (text) made.textContent = text;
    parent.append(made);
    return made;
  }

  function canvasIn(parent, label) {
    const made = element(parent, "canvas", { width, height });
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", label);
    return made;
  }

  function show(canvas, sheet, row, column) {
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.drawImage(sheet, column * width, row * height, width, height, 0, 0, width, height);
  }

  const named = (k) => (data.pictures[k] === "" ? `image ${k + 1}` : data.pictures[k]);

  // Built once.

  function buildStops() {
    const ends = levels.map((l) => `${l.colour} ${(100 * l.place).toFixed(1)}%`);
    const track = levels.length > 1 ? `linear-gradient(90deg, ${ends})` : levels[0].colour;
    $("slider").style.setProperty("--track", track);
    levels.forEach((level, k) => {
      const stop = element($("stops"), "span", {}, level.sigma);
      stop.style.left = `${100 * level.place}%`;
      stop.onclick = () => turn(k);
    });
  }

  function buildPictures() {
    data.pictures.forEach((_, k) => {
      const label = element($("pictures"), "label", { title: named(k) });
      const input = element(label, "input", { type: "radio", name: "picture", checked: k === 0 });
      input.setAttribute("aria-label", named(k));
      input.onchange = () => { picture = k; draw(); };
      show(canvasIn(label, ""), data.cleanSheet, 0, k);
    });
  }

  function buildRow(id, n, label) {
    return Array.from({ length: n }, (_, k) => canvasIn($(id), `${label} ${k + 1}`));
  }

  function buildErased() {
    return [["clean", "the image"], ["noisy", "what is left"]].map(([, label]) => {
      const figure = element($("erased"), "figure");
      const made = canvasIn(figure, label);
      element(figure, "figcaption", {}, label);
      return made;
    });
  }

  function buildLegend() {
    if (!levels.some((l) => l.classes)) return;
    data.names.forEach((name, k) => {
      const button = element($("legend"), "button", { type: "button" });
      element(button, "i").style.setProperty("--dot", data.colours[k]);
      element(button, "span", {}, name);
      button.setAttribute("aria-pressed", "false");
      button.onclick = () => {
        alone = alone === k ? null : k;
        [...$("legend").children].forEach((b, j) => b.setAttribute("aria-pressed", j === alone));
        drawCloud();
      };
    });
  }

  // Drawn at every turn.

  function drawNumbers() {
    $("numbers").replaceChildren();
    for (const [name, label] of data.labels) {
      if (!levels.some((l) => name in l.numbers)) continue;
      const entry = element($("numbers"), "div", { className: name });
      const value = levels[at].numbers[name];
      element(entry, "dt", {}, label);
      element(entry, "dd", {}, value === undefined ? "–" : value.toFixed(2).replace("-", "−"));
    }
  }

  function svg(parent, tag, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text) made.textContent = text;
    parent.append(made);
    return made;
  }

  function drawChart() {
    const names = data.labels.map(([n]) => n).filter((n) => levels.some((l) => n in l.numbers));
    const chart = $("chart");
    chart.hidden = names.length === 0;
    if (chart.hidden) return;
    const all = levels.flatMap((l) => names.map((n) => l.numbers[n])).filter((v) => v !== undefined);
    const low = Math.min(0, ...all), high = Math.max(1, ...all);
    const narrow = matchMedia("(max-width: 760px)").matches; // as in the style
    const w = chart.clientWidth, h = narrow ? 84 : 116;
    const x = (level) => THUMB / 2 + level.place * (w - THUMB);
    const y = (value) => 8 + ((high - value) / (high - low)) * (h - 16);
    chart.replaceChildren();
    const root = svg(chart, "svg", { viewBox: `0 0 ${w} ${h}`, height: h });
    for (const value of narrow ? [0, 1] : [0, 0.5, 1]) {
      svg(root, "line", { class: "grid", x1: 0, x2: w, y1: y(value), y2: y(value) });
      svg(root, "text", { x: -4, y: y(value) + 4, "text-anchor": "end" }, String(value));
    }
    svg(root, "line", { class: "now", x1: x(levels[at]), x2: x(levels[at]), y1: 0, y2: h + 14 });
    for (const name of names) {
      let path = "", pen = "M"; // a gap where a level has no such number
      for (const level of levels) {
        const value = level.numbers[name];
        if (value !== undefined) path += `${pen}${x(level).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = value === undefined ? "M" : "L";
      }
      svg(root, "path", { class: name, d: path });
      for (const level of levels) {
        if (!(name in level.numbers)) continue;
        const r = level === levels[at] ? 6 : 3.2;
        svg(root, "circle", { class: name, cx: x(level), cy: y(level.numbers[name]), r });
      }
    }
    root.onclick = (event) => {
      const from = root.getBoundingClientRect();
      turn(nearestStop((event.clientX - from.left - THUMB / 2) / (from.width - THUMB)));
    };
  }

  function drawCloud() {
    const canvas = $("cloud"), level = levels[at];
    const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
    if (side === 0) return;
    canvas.width = canvas.height = side;
    const scale = side / canvas.clientWidth;
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const edge = 12 * scale, room = side - 2 * edge;
    const place = ([a, b]) => [edge + (a / data.full) * room, side - edge - (b / data.full) * room];
    const shown = level.points.length - data.pictures.length;
    const dot = (k, alpha) => {
      if (level.points[k][0] > data.full) return; // outside
      const [x, y] = place(level.points[k]);
      pen.globalAlpha = alpha;
      pen.fillStyle = level.classes ? data.colours[level.classes[k]] : level.colour;
      pen.beginPath();
      pen.arc(x, y, 2.4 * scale, 0, 2 * Math.PI);
      pen.fill();
    };
    const lit = (k) => alone === null || !level.classes || level.classes[k] === alone;
    for (let k = 0; k < shown; k++) if (!lit(k)) dot(k, 0.06);
    for (let k = 0; k < shown; k++) if (lit(k)) dot(k, 0.72);
    pen.globalAlpha = 1;
    const [x, y] = place(level.points[shown + picture]);
    for (const [colour, line] of [[style.getPropertyValue("--field"), 7], [style.getPropertyValue("--ring"), 3]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = line * scale;
      pen.beginPath();
      pen.arc(x, y, 9 * scale, 0, 2 * Math.PI);
      pen.stroke();
    }
    canvas.setAttribute("aria-label", `Codes of ${shown} images at σ = ${level.sigma}, the chosen one's ringed`);
    const by = level.classes ? ", in the colour of its class" : "";
    const out = level.points.filter(([a]) => a > data.full).length;
    const beyond = out ? ` The ${out} farthest out are not shown.` : "";
    $("on-cloud").textContent =
      `A dot for each of ${shown.toLocaleString("en")} test images${by}. The ring is the chosen one.${beyond}`;
  }

  function draw() {
    const level = levels[at];
    document.documentElement.style.setProperty("--now", level.colour);
    $("sigma").textContent = level.sigma;
    $("slider").value = 1000 * level.place;
    $("slider").setAttribute("aria-valuetext", `sigma ${level.sigma}`);
    [...$("stops").children].forEach((stop, k) => stop.classList.toggle("here", k === at));
    thinStops();
    drawNumbers();
    $("on-numbers").textContent = level.onNumbers;
    drawChart();
    show(canvases.erased[0], data.cleanSheet, 0, picture);
    show(canvases.erased[1], level.sheet, 0, picture);
    canvases.nearest.forEach((canvas, k) => show(canvas, level.sheet, 1 + k, picture));
    $("on-nearest").textContent = level.onNearest[picture];
    if (level.source !== null) {
      const from = levels[level.source];
      canvases.samples.forEach((canvas, k) => {
        canvas.hidden = k >= from.samples;
        if (!canvas.hidden) show(canvas, from.sheet, 1 + from.near + k, picture);
      });
      $("on-samples").textContent = level.onSamples;
    }
    drawCloud();
  }

  function thinStops() {
    // The current stop is always named; of the others those that do not touch a named one.
    const stops = [...$("stops").children];
    const taken = [];
    for (const stop of [stops[at], stops[0], stops[stops.length - 1], ...stops]) {
      stop.style.visibility = "visible";
      const { left, right } = stop.getBoundingClientRect();
      const free = taken.every(([s, a, b]) => s === stop || left > b + 4 || right < a - 4);
      if (free) taken.push([stop, left, right]);
      else stop.style.visibility = "hidden";
    }
  }

  function nearestStop(place) {
    const away = levels.map((l) => Math.abs(l.place - place));
    return away.indexOf(Math.min(...away));
  }

  function turn(to) {
    at = Math.max(0, Math.min(levels.length - 1, to));
    draw();
  }

  const KEYS = {
    ArrowLeft: () => at - 1, ArrowDown: () => at - 1, PageDown: () => at - 1,
    ArrowRight: () => at + 1, ArrowUp: () => at + 1, PageUp: () => at + 1,
    Home: () => 0, End: () => levels.length - 1,
  };

  function listen() {
    $("slider").oninput = (event) => turn(nearestStop(event.target.value / 1000));
    $("slider").onkeydown = (event) => {
      if (!(event.key in KEYS)) return;
      event.preventDefault();
      turn(KEYS[event.key]());
    };
    document.onkeydown = (event) => {
      const free = event.target === document.body || event.target === document.documentElement;
      if (free && (event.key === "ArrowLeft" || event.key === "ArrowRight")) turn(KEYS[event.key]());
    };
    window.onresize = draw;
    matchMedia("(prefers-color-scheme: dark)").onchange = draw;
  }

  let canvases;

  async function start() {
    data.cleanSheet = await sheetOf(data.clean);
    await Promise.all(levels.map(async (level) => {
      level.sheet = await sheetOf(level.sprite);
      level.points = codesOf(level);
    }));
    $("page").hidden = false;
    const most = Math.max(...levels.map((l) => l.samples));
    $("samples-panel").hidden = most === 0;
    document.querySelector(".panels").classList.toggle("bare", most === 0);
    canvases = {
      erased: buildErased(),
      nearest: buildRow("nearest", levels[0].near, "nearest image"),
      samples: buildRow("samples", most, "sample"),
    };
    buildStops();
    buildPictures();
    buildLegend();
    listen();
    draw();
  }

  start();
})();
