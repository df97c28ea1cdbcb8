/* A clip with its tracks: what is heard and what is seen, second by second.
   <div id="landing-clip"></div>     the reader paints the tracks, then has the truth shown
   <div data-clip="landing"></div>   the same clip, its tracks filled in, a cursor running over them
   page.js loads this where a page has one; the clip's data and style come with it. */
"use strict";

(() => {
  const BASE = document.currentScript.src.replace(/[^/]*$/, "");
  const SECONDS = 10, KINDS = { heard: "heard", seen: "seen" };

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
    node.append(...children);
    return node;
  }

  /** Counts of one kind ("heard" or "seen"): the mean over classes of 2 tp / (2 tp + fp + fn), as chapter 6 counts segments. */
  function score(guess, truth) {
    const each = Object.keys(truth).map((name) => {
      let tp = 0, wrong = 0;
      truth[name].forEach((on, t) => { if (on && guess[name][t]) tp += 1; else if (Boolean(on) !== Boolean(guess[name][t])) wrong += 1; });
      return tp + wrong ? (2 * tp) / (2 * tp + wrong) : null;
    }).filter((f) => f !== null);
    return each.length ? each.reduce((a, b) => a + b, 0) / each.length : 1;
  }

  const digits = (text) => [...text].map(Number);

  /** The video with its poster and captions. The cues are added here, since a page from disk may not load a file of captions. */
  function player(clip) {
    const video = make("video", { controls: "", playsinline: "", preload: "none", width: clip.size, height: clip.size,
      poster: `${BASE}landing/clip.png`, src: `${BASE}landing/clip.mp4`, "aria-label": clip.title });
    const track = video.addTextTrack("captions", "English", "en");
    clip.cues.forEach(([onset, offset, text]) => track.addCue(new VTTCue(onset, offset, text)));
    track.mode = "hidden";
    return video;
  }

  /** The loudness of the clip as bars, as wide as the ten seconds below it. */
  function waveform(peaks) {
    const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", `0 0 ${peaks.length} 100`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "Waveform: the loudness of the clip over its ten seconds");
    const path = document.createElementNS(ns, "path");
    path.setAttribute("d", peaks.map((p, i) => `M${i + 0.15} ${50 - p / 2 - 0.5}h.7v${p + 1}h-.7z`).join(""));
    svg.append(path);
    return svg;
  }

  /** One row of ten seconds. `paint(t, on)` is called where the reader may change it. */
  function row(name, kind, state, paint) {
    const cells = [...Array(SECONDS).keys()].map((t) => {
      const cell = make(paint ? "button" : "span", { class: "second", "data-t": t });
      if (paint) cell.type = "button";
      else cell.setAttribute("role", "img");
      return cell;
    });
    const label = `${name} ${KINDS[kind]}`;
    const draw = () => cells.forEach((cell, t) => {
      const on = Boolean(state[t]), where = `${label}, second ${t}`;
      cell.toggleAttribute("data-on", on);
      if (paint) { cell.setAttribute("aria-pressed", on); cell.setAttribute("aria-label", where); }
      else cell.setAttribute("aria-label", `${where}: ${on ? "yes" : "no"}`);
    });
    const strip = make("div", { class: "seconds" }, ...cells);
    const node = make("div", { class: `track ${kind}`, role: "group", "aria-label": label }, make("span", { class: "name", "aria-hidden": "true" }, label), strip);
    draw();
    return { node, cells, draw, state };
  }

  /** Painting by mouse, finger and keyboard: press and drag, arrows to move, space or Enter to change.
   * A finger paints where it is lifted or moved sideways, since it may have come to scroll. */
  function paintable(rows, onPaint) {
    let brush = null, last = null;
    const set = (r, t, on) => { r.state[t] = on ? 1 : 0; r.draw(); onPaint(); };
    rows.forEach((r, i) => r.cells.forEach((cell, t) => {
      cell.tabIndex = i === 0 && t === 0 ? 0 : -1;
      cell.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        if (cell.hasPointerCapture?.(event.pointerId)) cell.releasePointerCapture(event.pointerId);
        brush = { row: r, on: !r.state[t], first: t };
        last = t;
        if (event.pointerType !== "touch") set(r, t, brush.on);
      });
      cell.addEventListener("click", (event) => { // a pointer has painted already; detail 0 is the keyboard or a screen reader
        if (event.detail === 0) set(r, t, !r.state[t]);
      });
      cell.addEventListener("keydown", (event) => {
        const [di, dt] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key] || [0, 0];
        const next = event.key === "Home" ? r.cells[0] : event.key === "End" ? r.cells[SECONDS - 1]
          : di || dt ? rows[i + di]?.cells[t + dt] : null;
        if (!next) return;
        event.preventDefault();
        rows.forEach((each) => each.cells.forEach((other) => { other.tabIndex = -1; }));
        next.tabIndex = 0;
        next.focus();
      });
    }));
    document.addEventListener("pointermove", (event) => {
      if (!brush) return;
      const under = document.elementFromPoint(event.clientX, event.clientY);
      if (!under || !brush.row.cells.includes(under)) return;
      const t = Number(under.dataset.t);
      if (t === last) return;
      for (let i = Math.min(t, last); i <= Math.max(t, last); i += 1) brush.row.state[i] = brush.on ? 1 : 0; // a fast pointer skips seconds
      last = t;
      brush.row.draw();
      onPaint();
    });
    document.addEventListener("pointerup", () => {
      if (brush) set(brush.row, brush.first, brush.on);
      brush = null;
    });
    document.addEventListener("pointercancel", () => { brush = null; });
  }

  /** A line over the tracks that follows the video; a second's cells are marked while it plays. */
  function cursor(video, box, rows) {
    const line = make("div", { class: "cursor", "aria-hidden": "true" });
    box.append(line);
    const move = () => {
      const time = Math.min(video.currentTime, SECONDS);
      line.toggleAttribute("data-moves", video.currentTime > 0);
      line.style.setProperty("--at", time / SECONDS);
      rows.forEach((r) => r.cells.forEach((cell, t) => cell.toggleAttribute("data-now", video.currentTime > 0 && t === Math.floor(time))));
      if (!video.paused && !video.ended) requestAnimationFrame(move);
    };
    ["play", "seeked", "timeupdate", "ended"].forEach((name) => video.addEventListener(name, move));
    move();
  }

  function mount(root, clip, guessing) {
    const truth = Object.fromEntries(Object.keys(KINDS).map((kind) =>
      [kind, Object.fromEntries(Object.entries(clip[kind]).map(([name, text]) => [name, digits(text)]))]));
    const guess = { heard: {}, seen: {} }, rows = [], video = player(clip);
    const tracks = make("div", { class: "tracks" }, make("div", { class: "wave" }, waveform(clip.peaks)));
    Object.keys(KINDS).forEach((kind) => Object.keys(truth[kind]).forEach((name) => {
      guess[kind][name] = guessing ? Array(SECONDS).fill(0) : truth[kind][name];
      const made = row(name, kind, guess[kind][name], guessing);
      made.truth = truth[kind][name];
      rows.push(made);
      tracks.append(made.node);
    }));
    const scale = make("div", { class: "scale", "aria-hidden": "true" }, ...[...Array(SECONDS).keys()].map((t) => make("span", {}, `${t}`)));
    tracks.append(scale);
    root.classList.add("clip");
    root.replaceChildren(video, tracks);
    cursor(video, tracks, rows);
    if (guessing) {
      const { parts, onPaint } = answer(rows, guess, truth, clip);
      paintable(rows, onPaint);
      root.append(...parts);
    }
    root.dataset.drawn = "yes";
  }

  /** The buttons, and what is said once the truth is shown, also of what is painted afterwards. */
  function answer(rows, guess, truth, clip) {
    const said = make("p", { class: "said", "aria-live": "polite" }, clip.ask);
    const show = make("button", { type: "button", class: "show" }, "Show the truth");
    const again = make("button", { type: "button" }, "Start again");
    const mark = (truly) => rows.forEach((r) => r.cells.forEach((cell, t) => {
      cell.toggleAttribute("data-true", truly && Boolean(r.truth[t]));
      if (truly) cell.setAttribute("aria-label", `${r.node.getAttribute("aria-label")}, second ${t}, in truth ${r.truth[t] ? "yes" : "no"}`);
    }));
    let shown = false;
    const tell = () => {
      mark(true);
      const all = rows.flatMap((r) => r.truth.map((on, t) => Boolean(on) === Boolean(r.state[t])));
      const [heard, seen] = Object.keys(KINDS).map((kind) => score(guess[kind], truth[kind]).toFixed(2));
      said.textContent = `Outlined: the truth. ${all.filter(Boolean).length} of your ${all.length} cells are right. ` +
        `Your segment F-score is ${heard} for what is heard and ${seen} for what is seen; 1 is perfect. ${clip.tell}`;
    };
    show.addEventListener("click", () => { shown = true; tell(); });
    again.addEventListener("click", () => {
      shown = false;
      rows.forEach((r) => { r.state.fill(0); r.draw(); });
      mark(false);
      rows.forEach((r) => r.draw());
      said.textContent = clip.ask;
    });
    return { parts: [make("div", { class: "buttons" }, show, again), said], onPaint: () => shown && tell() };
  }

  function start() {
    const places = [...document.querySelectorAll('#landing-clip, [data-clip="landing"]')];
    if (!places.length) return;
    document.head.append(make("link", { rel: "stylesheet", href: `${BASE}landing.css` }));
    const data = make("script", { src: `${BASE}landing/clip.js` });
    data.addEventListener("load", () => places.forEach((root) => mount(root, window.landingClip, root.id === "landing-clip")));
    document.head.append(data);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
