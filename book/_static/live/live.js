/* The page "CM-PIE in the page": a reader composes a clip, and watches the model parse it.
   Uses the parts of explorer.js, the model of model.js, the clips of clip.js, the scenes of scenes.js. */
"use strict";

const MOST_CLASSES = 4;

/** Every map of attention that the model can show, by the name of its weights and the modality that asks. */
const MAPS = ["h", "s"].flatMap((s) => {
  const stream = `Stream ${s}`;
  return [
    ...KINDS.map((m, i) => ({ key: `${s}.self`, m: i, name: `${stream}, HAN: ${m} reads ${m}` })),
    ...KINDS.map((m, i) => ({ key: `${s}.cross`, m: i, name: `${stream}, HAN: ${m} reads ${KINDS[1 - i]}` })),
    ...KINDS.map((m) => ({ key: `${s}.cma.${m}`, name: `${stream}, CMA: ${m} reads both` })),
  ];
});

/** The page in `root`; returns what checks and the console may use. */
function livePage(root, stored) {
  const model = CMPIE.load(stored), world = CLIP.load(stored, CMPIE.nested), T = stored.segments;
  const seconds = Array.from({ length: T }, (_, t) => String(t));
  const state = { strength: [1, 1], noise: 1, threshold: 50, gate: true, switches: { ...CMPIE.ALL_ON }, map: 0, seed: 1 };
  let output, pred, painted = [], now, before = null; // what is reported now, and was before the last press of a key, button or finger

  // ---------- the parts of the page ----------

  const lesson = element("p", { class: "lesson" });
  const clipPlace = element("div", { class: "clip" }), words = said(), detail = said(), scores = scoreTable([""]), gates = element("div", { class: "wide gates" });
  const mapPlace = element("div"), mapWords = said(), mapBar = colourBar(1);
  const saGrid = cellGrid({ label: "The weights of SA", rows: KINDS, columns: seconds }), saWords = said();
  const mmilRows = ["time", "modality"].flatMap((axis) => KINDS.map((m) => `${axis}, ${m}`));
  const mmilGrid = cellGrid({ label: "The weights of MMIL", rows: mmilRows, columns: seconds });
  let clipGrid, mapGrid, mapColumns = 0;

  // ---------- painting ----------

  const rowsOf = () => [...state.classes.flatMap((c) => VERBS.map((verb, m) => ({ c, m, name: `${stored.classes[c]}, ${verb}` }))),
    { mute: 0, name: "sound off" }, { mute: 1, name: "picture off" }];
  const track = ({ c, m, mute }) => (mute === undefined ? seconds.map((_, t) => state.rolls[m][t][c]) : state.muted[mute]);
  function paint(row, t, value) {
    const place = rowsOf()[row];
    painted = [row, t];
    if (place.mute === undefined) state.rolls[place.m][t][place.c] = value;
    else state.muted[place.mute][t] = value;
    update();
  }

  /** Drag over a row to paint: the first cell says whether seconds are set or cleared. A finger paints where it is lifted or
   * moved sideways, since it may have come to scroll. */
  function paintable(grid) {
    let brush = null;
    const begin = () => { if (brush && !brush.begun) { brush.begun = true; paint(brush.row, brush.first, brush.value); } };
    const place = (event) => document.elementFromPoint(event.clientX, event.clientY)?.closest(".clip .cell")?.id.split("-").slice(-2).map(Number);
    grid.node.addEventListener("pointerdown", (event) => {
      const to = place(event);
      if (!to || event.button) return;
      brush = { row: to[0], first: to[1], last: to[1], value: 1 - track(rowsOf()[to[0]])[to[1]], begun: false };
      grid.select(...to);
      if (event.pointerType !== "touch") begin();
    });
    grid.node.addEventListener("pointermove", (event) => {
      const to = brush && place(event);
      if (!to || to[0] !== brush.row || to[1] === brush.last) return;
      begin();
      const step = Math.sign(to[1] - brush.last); // a fast pointer skips seconds
      while (brush.last !== to[1]) {
        brush.last += step;
        if (track(rowsOf()[brush.row])[brush.last] !== brush.value) paint(brush.row, brush.last, brush.value);
      }
    });
    grid.node.addEventListener("pointerup", () => { begin(); brush = null; });
    for (const end of ["pointercancel", "pointerleave"]) grid.node.addEventListener(end, () => { brush = null; });
  }

  function layOutClip() {
    const rows = rowsOf();
    clipGrid = cellGrid({
      label: "The clip. Space paints a second.", rows: rows.map((row) => row.name), columns: seconds, columnTitle: "second",
      onLook: explain, onPress: (r, t, event) => { if (event.detail === 0) paint(r, t, 1 - track(rows[r])[t]); },
    });
    clipGrid.node.classList.add("timeline", "paint");
    rows.forEach((row, r) => row.mute !== undefined && clipGrid.cells[r].forEach((cell) => cell.classList.add("mute")));
    paintable(clipGrid);
    const drop = element("div", { class: "classes" }, ...state.classes.map((c) => {
      const button = element("button", { type: "button" }, `Without ${stored.classes[c]}`);
      button.addEventListener("click", () => setClasses(state.classes.filter((one) => one !== c)));
      button.disabled = state.classes.length < 2;
      return button;
    }), adder());
    replaceGrid(clipPlace, scroller(clipGrid.node), drop);
  }

  function adder() {
    const others = stored.classes.map((name, c) => ({ name, c })).filter(({ c }) => !state.classes.includes(c));
    const node = chooser("Another class", others.map(({ name }) => name), () => {}), list = node.querySelector("select");
    const add = element("button", { type: "button" }, "Add"); // the arrow keys choose from a list: choosing alone may not add
    add.addEventListener("click", () => setClasses([...state.classes, others[Number(list.value)].c]));
    add.disabled = list.disabled = state.classes.length >= MOST_CLASSES;
    node.append(add);
    return node;
  }

  function setClasses(classes) {
    for (const c of state.classes ?? []) if (!classes.includes(c)) state.rolls.forEach((roll) => roll.forEach((row) => { row[c] = 0; }));
    const fresh = classes.findIndex((c) => !state.classes.includes(c));
    state.classes = classes;
    layOutClip();
    update();
    clipGrid.select(2 * Math.max(fresh, 0), 0);
    clipGrid.node.focus({ preventScroll: true }); // the button that was pressed is gone
  }

  // ---------- computing and drawing ----------

  function update() {
    const start = performance.now();
    const clip = { rolls: state.rolls, strength: state.strength, noise: state.noise, seed: state.seed, muted: state.muted };
    output = CMPIE.parse(model, CLIP.features(world, clip), state.switches);
    const at = state.threshold / 100, open = output.video.map((p) => !state.gate || p >= at);
    pred = [0, 1].map((m) => output.segments.map((pair) => Array.from(pair[m], (p, c) => open[c] && p >= at)));
    now = { pred, segments: output.segments, events: eventsOf(true), scores: scoreVideo(...pred, ...state.rolls) };
    drawClip();
    drawMap();
    drawWeights();
    root.dataset.milliseconds = (performance.now() - start).toFixed(1);
  }

  /** The reported events in words, of the chosen classes or of all others. */
  const eventsOf = (chosen) => VERBS.flatMap((verb, m) => stored.classes.flatMap((name, c) => (state.classes.includes(c) === chosen
    ? runs(column(pred[m], c)).map(([a, b]) => `${name} ${verb} ${a}–${b}\u00a0s`) : [])));

  /** A list in words; of a long one the first entries, so that the page keeps its height. */
  const some = (list, most) => [...list.slice(0, most), ...(list.length > most ? [`${list.length - most} more`] : [])].join("; ");

  /** What the last change did to the report, in words. */
  function change() {
    if (!before) return "Change something: here stands what it did. Point at a second for its probability.";
    const come = now.events.filter((one) => !before.events.includes(one)), gone = before.events.filter((one) => !now.events.includes(one));
    const moves = now.segments.flatMap((pair, t) => pair.flatMap((row, m) => state.classes.map((c) => Math.abs(row[c] - before.segments[t][m][c]))));
    const score = (name, key) => [before, now].map((one) => (100 * one.scores[key]).toFixed(1)).filter((x, n, both) => !n || x !== both[0]);
    const points = [["Segment Type@AV", "segment_type"], ["event Type@AV", "event_type"]].map(([name, key]) => [name, score(name, key)]);
    const told = points.filter(([, values]) => values.length > 1).map(([name, [from, to]]) => `${name} ${from} → ${to}`).join(", ");
    const parts = [come.length && `New: ${some(come, 4)}.`, gone.length && `Gone: ${some(gone, 4)}.`].filter(Boolean);
    const most = Math.max(...moves).toFixed(2), still = most === "0.00" ? "and so do all probabilities" : `no probability of its classes moves by more than ${most}`;
    if (!parts.length) parts.push(`The report stays the same${most === "0.00" ? "," : ";"} ${still}.`);
    return [...parts, told && `${told[0].toUpperCase()}${told.slice(1)}.`].filter(Boolean).join(" ");
  }

  function drawClip() {
    rowsOf().forEach((row, r) => {
      const truth = track(row).map(Boolean);
      clipGrid.cells[r].forEach((cell, t) => {
        cell.toggleAttribute("data-changed", Boolean(before) && row.mute === undefined && pred[row.m][t][row.c] !== before.pred[row.m][t][row.c]);
        if (row.mute === undefined) markCell(cell, KINDS[row.m], column(pred[row.m], row.c), truth, t);
        else cell.textContent = truth[t] ? "off" : "";
        cell.setAttribute("aria-label", `${row.name}, second ${t}: ${truth[t] ? "painted" : "empty"}`);
      });
    });
    scores.set([now.scores]);
    const other = eventsOf(false);
    words.textContent = `Parsed: ${some(now.events, 6) || "nothing of these classes"}.${other.length ? ` Other classes: ${some(other, 2)}.` : ""}`;
    detail.textContent = change();
    const head = element("tr", {}, element("td"), ...["audio", "visual", "clip", "gate"].map((name) => element("th", { scope: "col" }, name)));
    const at = state.threshold / 100, rows = state.classes.map((c) => element("tr", {}, element("th", { scope: "row" }, stored.classes[c]),
      ...[output.audio[c], output.visual[c], output.video[c]].map((p) => element("td", {}, p.toFixed(2))),
      element("td", {}, !state.gate ? "none" : output.video[c] >= at ? "open" : "shut")));
    gates.replaceChildren(element("table", {}, element("caption", {}, "What MMIL pools for the whole clip"), head, ...rows));
  }

  function explain(r, t) {
    const row = rowsOf()[r];
    if (row.mute !== undefined || (painted[0] === r && painted[1] === t)) return; // what painting it did is being told
    painted = [];
    const p = output.segments[t][row.m][row.c], whole = output.video[row.c];
    detail.textContent = `${row.name}, second ${t}: probability ${p.toFixed(2)}, of the clip ${whole.toFixed(2)}. ` +
      `${pred[row.m][t][row.c] ? "Parsed" : "Not parsed"}; ${state.rolls[row.m][t][row.c] ? "painted" : "not painted"}.`;
  }

  function drawMap() {
    const options = mapChooser.querySelector("select").options;
    MAPS.forEach(({ key }, n) => { options[n].disabled = !(key in output.weights); });
    if (options[state.map].disabled) state.map = 0;
    mapChooser.set(state.map);
    const { key, m } = MAPS[state.map], weights = m === undefined ? output.weights[key] : output.weights[key][m];
    const other = /cross/.test(key) ? KINDS[1 - m] : KINDS[m];
    const names = m === undefined ? KINDS.flatMap((mode) => seconds.map((t) => `${mode} ${t}`)) : seconds.map((t) => `${other} ${t}`);
    if (names.length !== mapColumns || mapGrid.names[0] !== names[0]) {
      mapGrid = cellGrid({ label: "Who reads whom", rows: seconds, columns: names, rowTitle: "query", onLook: readRow });
      Object.assign(mapGrid, { names });
      replaceGrid(mapPlace, scroller(mapGrid.node));
      mapColumns = names.length;
    }
    const top = Math.max(...weights.flat());
    colourCells(mapGrid, weights, top);
    mapBar.set(top);
    mapGrid.weights = weights;
    readRow(mapGrid.at[0]);
  }

  function readRow(q) {
    mapWords.textContent = `Second ${q} reads ${reading(mapGrid.weights[q], mapGrid.names)}.`;
  }

  function drawWeights() {
    const gate = output.weights["sa.segment"] ?? KINDS.map(() => seconds.map(() => 1));
    colourCells(saGrid, gate, 1);
    const usual = stored.gates.mean, away = Math.max(...gate.flatMap((row, m) => row.map((w, t) => Math.abs(w - usual[m][t]))));
    saWords.textContent = output.weights["sa.segment"]
      ? `Over all test clips the mean weights of the seconds go from ${short(Math.min(...usual.flat()))} to ${short(Math.max(...usual.flat()))}. ` +
        `Here none is further than ${away.toFixed(3)} from the mean of its second.`
      : "Segment attention is off: every weight is 1.";
    const c = state.classes[Math.min(state.mmil ?? 0, state.classes.length - 1)];
    const of = (map, m) => map.map((pair) => pair[m][c]);
    const { temporal, modality } = output.weights;
    colourCells(mmilGrid, [of(temporal, 0), of(temporal, 1), of(modality, 0), of(modality, 1)], 1);
    const options = mmilChooser.querySelector("select");
    options.replaceChildren(...state.classes.map((one, n) => element("option", { value: n }, stored.classes[one])));
    options.value = state.classes.indexOf(c);
  }

  // ---------- controls ----------

  const tick = (label, key) => checkbox(label, state.switches[key], (on) => { state.switches[key] = on; update(); });
  const percent = (label, from, to, value, onInput) => slider(label, from, to, 5, value, (v) => `${v} %`, (v) => { onInput(v / 100); update(); });
  const loud = percent("Strength heard", 0, 200, 100, (v) => { state.strength[0] = v; });
  const bright = percent("Strength seen", 0, 200, 100, (v) => { state.strength[1] = v; });
  const noise = percent("Noise", 0, 300, 100, (v) => { state.noise = v; });
  const threshold = slider("Threshold", 5, 95, 1, 50, (v) => (v / 100).toFixed(2), (v) => { state.threshold = v; update(); });
  const gateBox = checkbox("Video gate", true, (on) => { state.gate = on; update(); });
  const boxes = { sa: tick("Segment attention (SA)", "sa"), cma: tick("Cross-modal aggregation (CMA)", "cma"),
    second: tick("Stream s, the second", "second"), swap: tick("Sound and picture exchanged", "swap") };
  const again = element("button", { type: "button" }, "Another background");
  again.addEventListener("click", () => { state.seed += 1; update(); });
  const mapChooser = chooser("Map", MAPS.map(({ name }) => name), (n) => { state.map = n; update(); });
  const mmilChooser = chooser("Class", [], (n) => { state.mmil = n; update(); });

  const sceneButtons = SCENES.map((scene) => {
    const button = element("button", { type: "button", "aria-pressed": "false" }, scene.name);
    button.addEventListener("click", () => show(scene));
    return button;
  });

  /** Begin again with a scene: its events, everything else as at first. */
  function show(scene) {
    sceneButtons.forEach((button, n) => button.setAttribute("aria-pressed", String(SCENES[n] === scene)));
    lesson.textContent = scene.text;
    const names = [...new Set(scene.events.map(([name]) => name))];
    Object.assign(state, { rolls: rollsOf(scene, stored.classes, T), muted: KINDS.map(() => Array(T).fill(0)), strength: [1, 1], noise: 1,
      threshold: 50, gate: true, switches: { ...CMPIE.ALL_ON }, seed: 1, mmil: 0, classes: names.map((name) => stored.classes.indexOf(name)) });
    for (const one of [loud, bright, noise]) one.set(100);
    threshold.set(50);
    gateBox.set(true);
    for (const [key, box] of Object.entries(boxes)) box.set(state.switches[key]);
    before = null;
    layOutClip();
    update();
  }

  const panel = (title, ...children) => element("section", { class: "panel", "aria-label": title }, element("p", { class: "title" }, title), ...children);
  root.replaceChildren(
    element("div", { class: "scenes", role: "group", "aria-label": "Scenes" }, ...sceneButtons), lesson,
    panel("The clip", element("p", { class: "key" }, "Click or drag to paint what happens (outlined, below). What the parser reports is filled, above; " +
      "a frame marks what the last change brought or took."), clipPlace, words, detail),
    element("div", { class: "controls" }, element("div", {}, loud, bright, noise, threshold, again),
      element("div", {}, gateBox, ...Object.values(boxes))),
    element("div", { class: "two" }, panel("The ten scores of this clip", scores), panel("The gate", gates)),
    panel("Segment attention: one weight per second", scroller(saGrid.node), saWords),
    panel("Attention: who reads whom", mapChooser, mapPlace, mapBar, mapWords),
    panel("MMIL: which seconds count for the clip", mmilChooser, scroller(mmilGrid.node)));
  for (const name of ["pointerdown", "keydown"]) root.addEventListener(name, () => { before = now; }, { capture: true });
  show(SCENES[0]);
  root.dataset.drawn = "yes";
  return { state, update, show };
}

document.addEventListener("DOMContentLoaded", () => {
  const root = document.querySelector("#live");
  if (root) window.LIVE_PAGE = livePage(root, window.CMPIE_LIVE);
});
