/* Static explorers: plain JavaScript, no kernel, no network.
   A page holds <div data-explorer="timeline|attention|weights"> with its data in a <script type="application/json">.
   Everything drawn is HTML text in grids, so that it keeps its size on a phone and follows the theme. A grid is one
   tab stop: arrow keys, a click or the pointer choose a cell, and a sentence says what it holds.
   Probabilities come as integers, ten-thousandths rounded down, so that p >= threshold is exact. */
"use strict";

// ---------- the ten F-scores, as cmpie_lite.metrics computes them ----------

const SCALE = 10000;
const HEADS = { audio: "Audio", visual: "Visual", av: "AV", type: "Type@AV", event: "Event@AV" };
const COLUMNS = Object.keys(HEADS);

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

// ---------- parts that explorers and the live page share ----------

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

let serial = 0;
const freshId = () => `explorer-${(serial += 1)}`;

/** A labelled slider; `show` turns its value into the text beside it, whose longest keeps its place. A finger that came to
 * scroll has moved it before the browser takes the touch over: it goes back. */
function slider(label, min, max, step, value, show, onInput) {
  const id = freshId();
  const input = element("input", { type: "range", id, min, max, step, value });
  const text = element("output", { for: id });
  const values = Array.from({ length: Math.round((max - min) / step) + 1 }, (_, n) => show(min + n * step));
  text.style.minWidth = `${Math.max(...values.map((value) => value.length))}ch`;
  const update = () => {
    text.textContent = show(Number(input.value));
    input.setAttribute("aria-valuetext", text.textContent);
  };
  let touched = value;
  const changed = () => { update(); onInput(Number(input.value)); };
  input.addEventListener("input", changed);
  input.addEventListener("pointerdown", () => { touched = input.value; });
  input.addEventListener("pointercancel", () => { if (input.value !== touched) { input.value = touched; changed(); } });
  update();
  const node = element("div", { class: "control" }, element("label", { for: id }, label), input, text);
  node.set = (to) => { input.value = to; update(); };
  return node;
}

/** A labelled box to tick. */
function checkbox(label, checked, onChange) {
  const id = freshId(), box = element("input", { type: "checkbox", id });
  box.checked = checked;
  box.addEventListener("change", () => onChange(box.checked));
  const node = element("div", { class: "control tick" }, box, element("label", { for: id }, label));
  node.set = (to) => { box.checked = to; };
  return node;
}

/** A labelled list to choose from: options are texts, or {group, names} with indices counted through. */
function chooser(label, options, onChange) {
  const id = freshId();
  const list = element("select", { id }, ...options.map((text, n) => element("option", { value: n }, text)));
  list.addEventListener("change", () => onChange(Number(list.value)));
  const node = element("div", { class: "control" }, element("label", { for: id }, label), list);
  node.set = (to) => { list.value = to; };
  return node;
}

/** Colour of cividis by seven stops: [r, g, b] for x in 0..1. */
const CIVIDIS = [[0, 34, 78], [42, 63, 109], [87, 93, 109], [125, 124, 120], [165, 156, 116], [210, 193, 93], [254, 232, 56]];
function cividis(x) {
  const at = Math.min(Math.max(x, 0), 1) * (CIVIDIS.length - 1), i = Math.min(Math.floor(at), CIVIDIS.length - 2);
  return CIVIDIS[i].map((low, k) => Math.round(low + (CIVIDIS[i + 1][k] - low) * (at - i)));
}
const inkOn = (x) => (x > 0.465 ? "#000" : "#fff"); // at least 4.5 to 1 everywhere
const short = (w) => w.toFixed(2).replace(/^0/, "");

/** Labels such as "audio 0", "audio 1", ..., "visual 0", ... as groups and numbers; others as they are. */
function shortNames(labels) {
  const parts = labels.map((label) => label.match(/^(.*\D) (\d+)$/));
  if (!parts.every(Boolean)) return { names: labels, groups: [] };
  const groups = [];
  for (const [, name] of parts) {
    if (groups.length && groups[groups.length - 1].name === name) groups[groups.length - 1].count += 1;
    else groups.push({ name, count: 1 });
  }
  return { names: parts.map(([, , number]) => number), groups };
}

/** Move a place (row, column) by a key; undefined where the key does not move. */
function moved([row, column], key, rows, columns) {
  const to = { ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
               ArrowRight: [row, column + 1], Home: [row, 0], End: [row, columns - 1] }[key];
  return to && [Math.min(Math.max(to[0], 0), rows - 1), Math.min(Math.max(to[1], 0), columns - 1)];
}

/** A grid of cells under named columns, beside named rows. `onLook(row, column)` is told of a cell that the pointer or the
 * arrow keys reach, `onPress` of one that is clicked, or chosen with Enter or the space bar;
 * both get the event too. */
function cellGrid({ label, rows, columns, rowTitle = "", columnTitle = "", onLook = () => {}, onPress = onLook }) {
  const column = shortNames(columns), row = shortNames(rows), id = freshId();
  const node = element("div", { class: "cells", role: "grid", tabindex: 0, "aria-label": label });
  node.style.setProperty("--columns", columns.length);
  const starts = new Set();
  let at = 0;
  for (const { count } of column.groups.length > 1 ? column.groups : []) starts.add((at += count));
  const axis = column.groups.length === 1 ? column.groups[0].name : columnTitle;
  const corner = element("div", { class: "corner", "aria-hidden": "true" }, rowTitle || (row.groups.length === 1 ? row.groups[0].name : ""));
  if (column.groups.length > 1) {
    const line = element("div", { class: "row groups", "aria-hidden": "true" }, element("div", { class: "corner" }));
    for (const { name, count } of column.groups) {
      const head = element("div", { class: "group" }, name);
      head.style.gridColumn = `span ${count}`;
      line.append(head);
    }
    node.append(line);
  }
  const tall = column.names.some((name) => name.length > 3) ? " tall" : "";
  node.append(element("div", { class: "row", role: "row" }, Object.assign(corner, { role: null }),
    ...column.names.map((name, c) => element("div", { class: `head${tall}`, role: "columnheader", "aria-label": columns[c] }, element("span", {}, name)))));
  const heads = rows.map((name, r) => element("div", { class: "name", role: "rowheader", "aria-label": name }, row.groups.length === 1 ? row.names[r] : name));
  const cells = rows.map((_, r) => columns.map((_, c) => element("div", {
    class: starts.has(c) ? "cell start" : "cell", role: "gridcell", id: `${id}-${r}-${c}` })));
  cells.forEach((line, r) => node.append(element("div", { class: "row", role: "row" }, heads[r], ...line)));
  const grid = { node, cells, heads, at: [0, 0], axis };
  grid.select = (r, c) => {
    node.querySelectorAll(".chosen, .beside").forEach((one) => one.classList.remove("chosen", "beside"));
    grid.at = [r, c];
    if (!cells.length) return;
    cells[r].forEach((cell) => cell.classList.add("beside"));
    heads[r].classList.add("chosen");
    cells[r][c].classList.add("chosen");
    node.setAttribute("aria-activedescendant", cells[r][c].id);
  };
  const place = (event) => {
    const cell = event.target.closest?.("[role=gridcell]"); // a notebook wraps the grid in a .cell of its own
    return cell && cell.id.split("-").slice(-2).map(Number);
  };
  node.addEventListener("pointerover", (event) => {
    const to = event.pointerType === "mouse" && place(event);
    if (to) { grid.select(...to); onLook(...to, event); }
  });
  node.addEventListener("click", (event) => {
    const to = place(event);
    if (to) { grid.select(...to); onPress(...to, event); }
  });
  node.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !cells.length) return;
    const to = moved(grid.at, event.key, rows.length, columns.length), press = event.key === "Enter" || event.key === " ";
    if (!to && !press) return;
    event.preventDefault();
    if (to) grid.select(...to);
    cells[grid.at[0]][grid.at[1]].scrollIntoView?.({ block: "nearest", inline: "nearest" });
    (press ? onPress : onLook)(...grid.at, event);
  });
  return grid;
}

/** A box in which a grid may scroll sideways, and `height` (a css length) at most down. */
function scroller(child, height) {
  const box = element("div", { class: "scroller wide" }, child);
  if (height) box.style.height = height;
  return box;
}

/** Put another grid into its place; page.js looks again which boxes scroll. */
function replaceGrid(place, ...children) {
  place.replaceChildren(...children);
  window.dispatchEvent(new Event("resize"));
}

/** Colour every cell of a grid by its weight in 0..top, and print the weight. */
function colourCells(grid, weights, top) {
  grid.cells.forEach((line, r) => line.forEach((cell, c) => {
    const share = weights[r][c] / top;
    cell.style.background = `rgb(${cividis(share)})`;
    cell.style.color = inkOn(share);
    if (cell.textContent !== short(weights[r][c])) cell.textContent = short(weights[r][c]);
  }));
}

/** What the colours mean: a bar from 0 to `top`. */
function colourBar(top, name = "weight") {
  const ramp = element("span", { class: "ramp" });
  ramp.style.background = `linear-gradient(to right, ${CIVIDIS.map((c) => `rgb(${c})`).join(", ")})`;
  const most = element("span", {}, top.toFixed(2));
  const node = element("div", { class: "colour-bar" }, element("span", {}, `${name} 0`), ramp, most);
  node.set = (to) => { most.textContent = to.toFixed(2); };
  return node;
}

/** The largest of a row in words; rows without a preference say so. */
function reading(row, names, count = 3) {
  const order = row.map((w, k) => [w, k]).sort((a, b) => b[0] - a[0]);
  if (order[0][0] - order[order.length - 1][0] < 0.005) return `all ${row.length} alike (${short(order[0][0])} each)`;
  return `mostly ${order.slice(0, count).map(([w, k]) => `${names[k]} (${short(w)})`).join(", ")}`;
}

/** "Type@AV" as parts between which a line may break. */
const breaking = (name) => name.split(/(?<=@)/).flatMap((part, n) => (n ? [element("wbr"), part] : [part]));

/** A table of the ten scores; `rows` are texts, `set` takes one object of scores per row and level. */
function scoreTable(whose) {
  const head = element("tr", {}, element("td"), ...COLUMNS.map((c) => element("th", { scope: "col" }, ...breaking(HEADS[c]))));
  const cells = [];
  const lines = whose.flatMap((name) => ["segment", "event"].map((level) => element("tr", {},
    element("th", { scope: "row" }, `${level}${name ? `, ${name}` : ""}`), ...COLUMNS.map((c) => {
      const cell = element("td", { "data-score": `${level}_${c}` });
      cells.push([cell, whose.indexOf(name), `${level}_${c}`]);
      return cell;
    }))));
  const node = element("div", { class: "wide scores" }, element("table", {}, element("caption", {}, "F in percent"), head, ...lines));
  node.set = (scores) => cells.forEach(([cell, from, name]) => { cell.textContent = (100 * scores[from][name]).toFixed(1); });
  return node;
}

const said = () => element("p", { class: "said", "aria-live": "polite" });

// ---------- the three explorers ----------

/** Which classes a clip's grid shows: true ones first, then those that some threshold can bring, the likeliest first. */
function shownClasses(video, lowest) {
  const likely = video.true_audio[0].map((_, c) => Math.max(...video.segments.flatMap((row) => [row[0][c], row[1][c]])));
  const isTrue = (c) => [video.true_audio, video.true_visual].some((roll) => roll.some((row) => row[c]));
  const order = likely.map((p, c) => ({ c, p, true: isTrue(c) })).filter((x) => x.true || x.p >= lowest);
  return order.sort((a, b) => b.true - a.true || b.p - a.p).map(({ c }) => c);
}

const KINDS = ["audio", "visual"], VERBS = ["heard", "seen"];

/** Mark a timeline's cell: predicted above (filled), true below (outlined), open at the ends that go on. */
function markCell(cell, kind, pred, truth, t) {
  const part = (what, track) => track[t] && element("i", { class: [what, kind, track[t - 1] ? "" : "opens", track[t + 1] ? "" : "closes"].join(" ") });
  cell.replaceChildren(...[part("pred", pred), part("true", truth)].filter(Boolean));
}

function timelineExplorer(root, data) {
  const LOWEST = 500;
  const state = { video: 0, threshold: SCALE / 2, gate: true };
  const place = element("div"), words = said(), table = scoreTable(["this clip", `all ${data.videos.length} clips`]);
  let grid, classes;

  function explain(r, c) {
    const video = data.videos[state.video], cls = classes[r >> 1], m = r % 2, p = video.segments[c][m][cls], whole = video.video[cls];
    const predicted = decode(video, state.threshold, state.gate)[m][c][cls];
    const truth = [video.true_audio, video.true_visual][m][c][cls];
    words.textContent = `${data.classes[cls]}, ${VERBS[m]} in second ${c}: probability ${(p / SCALE).toFixed(2)}, of the clip ` +
      `${(whole / SCALE).toFixed(2)}. ${predicted ? "Predicted" : "Not predicted"}; ${truth ? "true" : "not true"}.`;
  }

  function layOut() {
    const video = data.videos[state.video];
    classes = shownClasses(video, LOWEST);
    grid = cellGrid({
      label: "Events: predicted above, true below", onLook: explain, columnTitle: "second",
      rows: classes.flatMap((c) => VERBS.map((verb) => `${data.classes[c]}, ${verb}`)),
      columns: video.true_audio.map((_, t) => String(t)),
    });
    grid.node.classList.add("timeline");
    replaceGrid(place, scroller(grid.node, "17rem"));
  }

  function draw() {
    const decoded = data.videos.map((v) => decode(v, state.threshold, state.gate));
    const scores = data.videos.map((v, n) => scoreVideo(...decoded[n], v.true_audio, v.true_visual));
    const video = data.videos[state.video], truth = [video.true_audio, video.true_visual], pred = decoded[state.video];
    classes.forEach((c, k) => KINDS.forEach((kind, m) => {
      const tracks = [column(pred[m], c), column(truth[m], c)];
      grid.cells[2 * k + m].forEach((cell, t) => markCell(cell, kind, ...tracks, t));
    }));
    const all = meanScores(scores);
    table.set([scores[state.video], all]);
    words.textContent = `Threshold ${(state.threshold / SCALE).toFixed(2)}, gate ${state.gate ? "on" : "off"}: over all clips segment Type@AV ` +
      `${(100 * all.segment_type).toFixed(1)}, event Type@AV ${(100 * all.event_type).toFixed(1)}. Point at a second for its probability.`;
  }

  const name = (video, n) => {
    const found = data.classes.filter((_, c) => [video.true_audio, video.true_visual].some((roll) => roll.some((row) => row[c])));
    return `${n + 1}: ${found.join(", ") || "nothing"}`;
  };
  root.append(
    chooser("Clip", data.videos.map(name), (n) => { state.video = n; layOut(); draw(); }),
    slider("Threshold", 5, 95, 1, 50, (v) => (v / 100).toFixed(2), (v) => { state.threshold = v * (SCALE / 100); draw(); }),
    checkbox("Video gate", true, (on) => { state.gate = on; draw(); }),
    table, element("p", { class: "key" }, "Seconds 0 to 9. Filled, above: predicted. Outlined, below: true."), place, words);
  layOut();
  draw();
}

/** Heat maps (steps, queries, keys) with a slider over steps (heads) and one over queries. */
function attentionExplorer(root, data) {
  const state = { step: 0, query: 0, key: null };
  const top = Math.max(...data.weights.flat(2)), words = said();
  function look(query, key) {
    state.query = query;
    state.key = key;
    sliders.query?.set(query);
    describe();
  }
  const grid = cellGrid({ label: data.title, rows: data.queries, columns: data.keys, rowTitle: "query", onLook: look });
  function describe() {
    const row = data.weights[state.step][state.query], about = `${data.steps[state.step]}: ${data.queries[state.query]} reads `;
    const one = state.key === null ? "" : `${short(row[state.key])} from ${data.keys[state.key]}; `;
    words.textContent = `${about}${one}${reading(row, data.keys)}.`;
    grid.select(state.query, state.key ?? 0);
  }
  const sliders = {};
  const add = (label, key, names, then) => {
    if (names.length < 2) return;
    sliders[key] = slider(label, 0, names.length - 1, 1, 0, (v) => names[v], (v) => { state[key] = v; then(); });
    root.append(sliders[key]);
  };
  const draw = () => { colourCells(grid, data.weights[state.step], top); describe(); };
  add(data.step_name, "step", data.steps, draw);
  add("Query", "query", data.queries, () => { state.key = null; describe(); });
  const titles = `Rows: what asks (query). Columns: what is read (key)${grid.axis ? `, ${grid.axis}` : ""}. Each row sums to 1.`;
  root.append(element("p", { class: "key" }, titles), scroller(grid.node), colourBar(top), words);
  draw();
}

/** Bars (items, segments) with a slider over items. */
function weightsExplorer(root, data) {
  const top = Math.max(...data.weights.flat()), words = said();
  const state = { item: 0 }, bars = barRow({ label: data.title, count: data.weights[0].length, top, onLook: (t) => explain(t) });
  function explain(t) {
    const others = data.weights.map((row) => row[t]);
    words.textContent = `Segment ${t}: ${short(data.weights[state.item][t])} for ${data.labels[state.item]}; ` +
      `${short(Math.min(...others))} to ${short(Math.max(...others))} over all ${others.length} shown.`;
  }
  function draw(n) {
    state.item = n;
    const row = data.weights[n];
    bars.set(row, data.labels[n]);
    words.textContent = `${data.labels[n]}: ${short(Math.min(...row))} to ${short(Math.max(...row))}. Point at a segment for its weight in all.`;
  }
  if (data.weights.length > 1) root.append(slider("Shown", 0, data.weights.length - 1, 1, 0, (v) => data.labels[v], draw));
  root.append(bars, words);
  draw(0);
}

/** One bar per segment, counted from 0, its value above it; `top` is the height of the tallest. */
function barRow({ label, count, top, onLook = () => {}, kind = "audio" }) {
  const columns = Array.from({ length: count }, (_, t) => String(t));
  const grid = cellGrid({ label, rows: ["weight"], columns, onLook: (_, t) => onLook(t) });
  grid.node.classList.add("bars");
  const parts = grid.cells[0].map((cell) => {
    const value = element("span", {}), bar = element("i", { class: kind });
    cell.append(value, bar);
    return [value, bar];
  });
  const node = element("div", {}, scroller(grid.node), element("p", { class: "axis" }, "weight per segment"));
  node.set = (row, name = label) => {
    row.forEach((w, t) => {
      parts[t][0].textContent = short(w);
      parts[t][1].style.height = `${(6 * w) / top}rem`;
    });
    grid.node.setAttribute("aria-label", `${name}: ${row.map((w, t) => `segment ${t} ${short(w)}`).join(", ")}`);
  };
  return node;
}

const EXPLORERS = { timeline: timelineExplorer, attention: attentionExplorer, weights: weightsExplorer };

function mountAll() {
  document.querySelectorAll("[data-explorer]").forEach((root) => {
    const data = JSON.parse(root.querySelector("script").textContent);
    root.querySelectorAll(".explorer-fallback").forEach((node) => node.remove());
    root.classList.add("explorer");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", data.title);
    root.append(element("p", { class: "title" }, data.title));
    EXPLORERS[root.dataset.explorer](root, data);
    root.dataset.drawn = "yes";
  });
}

if (typeof document !== "undefined") document.addEventListener("DOMContentLoaded", mountAll);
if (typeof module !== "undefined") module.exports = { runs, decode, scoreVideo, meanScores, shortNames, moved, reading, shownClasses, SCALE };
