/* Static explorers: plain JavaScript, no kernel, no network.
   A page holds <div data-explorer="timeline|attention|weights"> with its data in a <script type="application/json">.
   Probabilities come as integers, ten-thousandths rounded down, so that p >= threshold is exact. */
"use strict";

// ---------- the ten F-scores, as cmpie_lite.metrics computes them ----------

const SCALE = 10000;
const COLUMNS = ["audio", "visual", "av", "type", "event"];

/** Maximal runs of true values as [first, last + 1]. */
function runs(track) {
  const out = [];
  track.forEach((on, t) => {
    if (!on) return;
    if (t > 0 && track[t - 1]) out[out.length - 1][1] = t + 1;
    else out.push([t, t + 1]);
  });
  return out;
}

const column = (roll, c) => roll.map((row) => Boolean(row[c]));

/** [tp, fp, fn] of one class over segments. */
function segmentCounts(pred, truth) {
  const counts = [0, 0, 0];
  pred.forEach((p, t) => {
    if (p && truth[t]) counts[0] += 1;
    else if (p) counts[1] += 1;
    else if (truth[t]) counts[2] += 1;
  });
  return counts;
}

/** [tp, fp, fn] of one class over events; two events match where 2 * intersection >= union. */
function eventCounts(pred, truth) {
  const predicted = runs(pred), real = runs(truth);
  const match = ([a, b], [x, y]) => {
    const shared = Math.max(0, Math.min(b, y) - Math.max(a, x));
    return 2 * shared >= b - a + (y - x) - shared;
  };
  const tp = predicted.filter((p) => real.some((r) => match(p, r))).length;
  const missed = real.filter((r) => !predicted.some((p) => match(p, r))).length;
  return [tp, predicted.length - tp, missed];
}

/** Mean F over the classes that are active in prediction or truth; 1 where none is. */
function videoF(perClass) {
  const active = perClass.filter(([tp, fp, fn]) => tp + fp + fn > 0);
  if (!active.length) return 1;
  return active.reduce((sum, [tp, fp, fn]) => sum + (2 * tp) / (2 * tp + fp + fn), 0) / active.length;
}

/** The ten scores of one video. Rolls are (T, C), time first. */
function scoreVideo(predAudio, predVisual, trueAudio, trueVisual) {
  const both = (a, b) => a.map((row, t) => row.map((on, c) => on && b[t][c]));
  const pairs = [[predAudio, trueAudio], [predVisual, trueVisual],
                 [both(predAudio, predVisual), both(trueAudio, trueVisual)]];
  const scores = {};
  for (const [level, count] of [["segment", segmentCounts], ["event", eventCounts]]) {
    const counts = pairs.map(([p, y]) => p[0].map((_, c) => count(column(p, c), column(y, c))));
    const [audio, visual, av] = counts.map(videoF);
    const pooled = counts[0].map((a, c) => a.map((n, i) => n + counts[1][c][i]));
    Object.assign(scores, {
      [`${level}_audio`]: audio, [`${level}_visual`]: visual, [`${level}_av`]: av,
      [`${level}_type`]: (audio + visual + av) / 3, [`${level}_event`]: videoF(pooled),
    });
  }
  return scores;
}

/** The mean of the ten scores over videos. */
function meanScores(list) {
  const mean = {};
  for (const name of Object.keys(list[0])) mean[name] = list.reduce((sum, s) => sum + s[name], 0) / list.length;
  return mean;
}

/** Segment AND video prediction at a threshold (integer, ten-thousandths): the two rolls of a video. */
function decode(video, threshold, gate) {
  const open = video.video.map((p) => !gate || p >= threshold);
  return [0, 1].map((m) => video.segments.map((row) => row[m].map((p, c) => open[c] && p >= threshold)));
}

// ---------- drawing ----------

function element(tag, attributes = {}, ...children) {
  const svg = ["svg", "rect"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

let serial = 0;

/** A labelled slider; `show` turns its value into the text beside it. */
function slider(label, min, max, step, value, show, onInput) {
  const id = `explorer-${(serial += 1)}`;
  const input = element("input", { type: "range", id, min, max, step, value });
  const text = element("output", { for: id });
  const update = () => {
    text.textContent = show(Number(input.value));
    input.setAttribute("aria-valuetext", text.textContent);
  };
  input.addEventListener("input", () => { update(); onInput(Number(input.value)); });
  update();
  return element("div", { class: "control" }, element("label", { for: id }, label), input, text);
}

const seconds = (list) => (list.length ? list.map(([a, b]) => `${a}–${b} s`).join(", ") : "none");

/** One strip: predicted events above (solid), true events below (outlined). */
function strip(label, kind, pred, truth, length) {
  const text = `${label}: predicted ${seconds(runs(pred))}; true ${seconds(runs(truth))}`;
  const svg = element("svg", { viewBox: `0 0 ${length} 10`, preserveAspectRatio: "none", role: "img", "aria-label": text });
  for (let t = 0; t < length; t += 1) svg.append(element("rect", { class: "slot", x: t, y: 0, width: 1, height: 10 }));
  for (const [a, b] of runs(pred)) svg.append(element("rect", { class: `pred ${kind}`, x: a, y: 0.5, width: b - a, height: 4.5 }));
  for (const [a, b] of runs(truth)) svg.append(element("rect", { class: `truth ${kind}`, x: a, y: 5.5, width: b - a, height: 4 }));
  return element("div", { class: "strip" }, element("span", {}, label), svg);
}

function timelineExplorer(root, data) {
  const state = { video: 0, threshold: SCALE / 2, gate: true };
  const strips = element("div", { class: "strips" });
  const table = element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "The ten scores" });
  const said = element("p", { class: "said", "aria-live": "polite" });

  function draw() {
    const video = data.videos[state.video];
    const decoded = data.videos.map((v) => decode(v, state.threshold, state.gate));
    const scores = data.videos.map((v, n) => scoreVideo(...decoded[n], v.true_audio, v.true_visual));
    const truth = [video.true_audio, video.true_visual], pred = decoded[state.video];
    const length = video.true_audio.length;
    const active = (c) => [...truth, ...pred].some((roll) => roll.some((row) => row[c]));
    strips.replaceChildren();
    data.classes.forEach((name, c) => {
      if (!active(c)) return;
      ["audio", "visual"].forEach((kind, m) => {
        strips.append(strip(`${name}, ${kind}`, kind, column(pred[m], c), column(truth[m], c), length));
      });
    });
    if (!strips.children.length) strips.append(element("p", {}, "Nothing predicted, nothing true."));
    const axis = element("div", { class: "axis", "aria-hidden": "true" });
    for (let t = 0; t <= length; t += 2) axis.append(element("span", {}, `${t} s`));
    strips.append(axis);

    const all = meanScores(scores), here = scores[state.video], percent = (x) => (100 * x).toFixed(1);
    const head = element("tr", {}, element("td"), ...COLUMNS.map((c) => element("th", { scope: "col" }, c === "av" ? "AV" : c)));
    const rows = [["segment", here, "this video"], ["event", here, "this video"],
                  ["segment", all, `all ${data.videos.length} videos`], ["event", all, `all ${data.videos.length} videos`]];
    table.replaceChildren(element("table", {}, head, ...rows.map(([level, from, whose]) =>
      element("tr", {}, element("th", { scope: "row" }, `${level}, ${whose}`),
        ...COLUMNS.map((c) => element("td", { "data-score": `${level}_${c}` }, percent(from[`${level}_${c}`])))))));
    said.textContent = `Threshold ${(state.threshold / SCALE).toFixed(2)}, gate ${state.gate ? "on" : "off"}: ` +
      `segment Type ${percent(all.segment_type)}, event Type ${percent(all.event_type)} over all videos.`;
  }

  const id = `explorer-${(serial += 1)}`;
  const choice = element("select", { id }, ...data.videos.map((v, n) => element("option", { value: n }, v.id)));
  choice.addEventListener("change", () => { state.video = Number(choice.value); draw(); });
  const box = element("input", { type: "checkbox", id: `${id}-gate` });
  box.checked = true;
  box.addEventListener("change", () => { state.gate = box.checked; draw(); });
  root.append(
    element("div", { class: "control" }, element("label", { for: id }, "Video"), choice),
    slider("Threshold", 5, 95, 1, 50, (v) => (v / 100).toFixed(2), (v) => { state.threshold = v * (SCALE / 100); draw(); }),
    element("div", { class: "control" }, element("label", { for: `${id}-gate` }, "Video gate"), box),
    element("p", { class: "key" }, "Solid, above: predicted. Outlined, below: true."), strips, table, said);
  draw();
}

/** Cividis by seven stops: [r, g, b] for x in 0..1. */
function cividis(x) {
  const stops = [[0, 34, 78], [42, 63, 109], [87, 93, 109], [125, 124, 120], [165, 156, 116], [210, 193, 93], [254, 232, 56]];
  const at = Math.min(Math.max(x, 0), 1) * (stops.length - 1), i = Math.min(Math.floor(at), stops.length - 2);
  return stops[i].map((low, k) => Math.round(low + (stops[i + 1][k] - low) * (at - i)));
}

/** Heat maps (steps, queries, keys) with a slider over steps (heads) and one over queries. */
function attentionExplorer(root, data) {
  const state = { step: 0, query: 0 };
  const place = element("div", { class: "map" }), said = element("p", { class: "said", "aria-live": "polite" });
  const top = Math.max(...data.weights.flat(2));
  function draw() {
    const map = data.weights[state.step], keys = map[0].length;
    const order = map[state.query].map((w, k) => [w, k]).sort((a, b) => b[0] - a[0]).slice(0, 3);
    const reads = order.map(([w, k]) => `${data.keys[k]} (${w.toFixed(2)})`).join(", ");
    said.textContent = `${data.steps[state.step]}: ${data.queries[state.query]} reads mostly ${reads}.`;
    const svg = element("svg", { viewBox: `0 0 ${keys} ${map.length}`, role: "img", "aria-label": said.textContent });
    map.forEach((row, q) => row.forEach((w, k) => svg.append(
      element("rect", { x: k, y: q, width: 1.02, height: 1.02, fill: `rgb(${cividis(w / top)})` }))));
    svg.append(element("rect", { class: "cursor", x: 0.04, y: state.query + 0.04, width: keys - 0.08, height: 0.92 }));
    const scale = element("p", { class: "key" }, `Rows: queries. Columns: keys. Dark is 0, bright is ${top.toFixed(2)}.`);
    place.replaceChildren(svg, scale);
  }
  const add = (label, key, names) => names.length > 1 && root.append(
    slider(label, 0, names.length - 1, 1, 0, (v) => names[v], (v) => { state[key] = v; draw(); }));
  add(data.step_name, "step", data.steps);
  add("Query", "query", data.queries);
  root.append(place, said);
  draw();
}

/** Bars (items, segments) with a slider over items. */
function weightsExplorer(root, data) {
  const place = element("div", { class: "bars" });
  const top = Math.max(...data.weights.flat());
  function draw(n) {
    const row = data.weights[n];
    const text = `${data.labels[n]}: ${row.map((w, t) => `segment ${t + 1} ${w.toFixed(2)}`).join(", ")}`;
    place.replaceChildren(...row.map((w, t) => element("div", {},
      element("span", { class: "value" }, w.toFixed(2)),
      element("div", { class: "bar", style: `height:${(6 * w) / top}rem` }),
      element("span", {}, `${t + 1}`))));
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", text);
  }
  if (data.weights.length > 1) root.append(slider("Shown", 0, data.weights.length - 1, 1, 0, (v) => data.labels[v], draw));
  root.append(place);
  draw(0);
}

const EXPLORERS = { timeline: timelineExplorer, attention: attentionExplorer, weights: weightsExplorer };

function mountAll() {
  document.querySelectorAll("[data-explorer]").forEach((root) => {
    const data = JSON.parse(root.querySelector("script").textContent);
    root.querySelectorAll(".explorer-fallback").forEach((node) => node.remove());
    root.classList.add("explorer");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", data.title);
    EXPLORERS[root.dataset.explorer](root, data);
    root.dataset.drawn = "yes";
  });
}

if (typeof document !== "undefined") document.addEventListener("DOMContentLoaded", mountAll);
if (typeof module !== "undefined") module.exports = { runs, decode, scoreVideo, meanScores, SCALE };
