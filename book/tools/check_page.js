// Runs in every page that check_site.py opens; its value is a list of complaints about what a reader sees.
(async () => {
  const problems = [], all = (css) => [...document.querySelectorAll(css)];
  const say = (node) => (node.outerHTML || "").slice(0, 120).replace(/\s+/g, " ");
  const WIDE = 1200, SMALLEST = 9, SHRUNK = 0.6, SPARE = 3, VISIBLE = 2, BUTTONS = 48; // pixels of a window; of a letter; a figure's scale at which 10 points are 9 pixels; pixels; a contrast; pixels
  const images = all("img");
  images.forEach((image) => { image.loading = "eager"; });
  await Promise.all(images.map((image) => image.decode().catch(() => null)));

  // Folds are looked into as well.
  const folds = all("article details:not([open])");
  folds.forEach((fold) => { fold.open = true; });
  if (folds.length) await new Promise((done) => setTimeout(done, 50));

  for (const m of all("span.math, div.math")) if (!m.querySelector("mjx-container")) problems.push("maths not drawn: " + say(m));
  for (const m of all("mjx-merror, [data-mjx-error]")) problems.push("maths error: " + m.textContent.slice(0, 80));
  for (const i of images) if (!i.complete || !i.naturalWidth) problems.push("picture not loaded: " + say(i));
  for (const i of all("article img")) if (!(i.getAttribute("alt") || "").trim()) problems.push("no alternative text: " + say(i));
  for (const s of all("article .diagram svg")) if (!s.getAttribute("aria-label")) problems.push("drawing without a label");
  for (const e of all("[data-explorer], .quiz, #live")) if (e.dataset.drawn !== "yes") problems.push("not drawn: " + say(e));
  for (const v of all("article video")) {
    if (!v.hasAttribute("poster")) problems.push("a clip without a poster: " + say(v));
    if (!v.querySelector("track[kind=captions]") && !v.textTracks.length) problems.push("a clip without captions: " + say(v));
  }

  // The page itself does not scroll sideways; boxes that do show it, and none cuts what is in it.
  const root = document.scrollingElement;
  if (root.scrollWidth > innerWidth + 1) {
    const wide = all("main *").filter((n) => n.getBoundingClientRect().right > innerWidth + 1 && !n.closest(".scrolls")).slice(0, 3);
    problems.push(`scrolls sideways: ${root.scrollWidth} > ${innerWidth}: ${wide.map(say).join(" | ")}`);
  }
  for (const box of all("article *:not(mjx-container *):not(svg *):not(video)")) {
    if (box.scrollWidth <= box.clientWidth + 1 || !box.clientWidth || !box.checkVisibility() || box.matches("input, select, option, span.math, mjx-assistive-mml, .visually-hidden, .sr-only")) continue;
    const flow = getComputedStyle(box).overflowX;
    if (flow === "visible") continue;
    if (flow === "hidden" || flow === "clip") problems.push(`cut at its edge: ${say(box)}`);
    else if (!box.classList.contains("scrolls")) problems.push(`scrolls sideways without a sign: ${say(box)}`);
    else if (innerWidth > WIDE && box.matches("pre, mjx-container, div.math, .ledger")) problems.push(`over the edge of a wide window: ${say(box)}`);
  }

  // A letter's ink stands out of its box a little: without space around it, the edge of a box that scrolls cuts it.
  for (const box of all("div.math > mjx-container")) {
    const { top, bottom } = box.getBoundingClientRect();
    const near = [...box.querySelectorAll("mjx-c:not(mjx-ext mjx-c)")].map((c) => c.getBoundingClientRect()).some((c) => c.height && (c.top < top + SPARE || c.bottom > bottom - SPARE));
    if (near) problems.push("ink of a formula is cut at its edge: " + box.closest(".math").textContent.slice(0, 60));
  }
  for (const formula of all("article span.math mjx-math"))
    if (formula.getBoundingClientRect().right > document.querySelector("article").getBoundingClientRect().right + 2) problems.push("cut at the edge: a formula in the text: " + formula.closest(".math").textContent.slice(0, 60));

  // Words in pictures can be read.
  for (const text of all("article svg text")) {
    if (!text.textContent.trim() || !text.checkVisibility()) continue;
    const turn = text.getScreenCTM() ?? { a: 1, b: 0 };
    const size = parseFloat(getComputedStyle(text).fontSize) * Math.hypot(turn.a, turn.b);
    if (size < SMALLEST) problems.push(`letters of ${size.toFixed(1)} pixels in a drawing: ${text.textContent.slice(0, 30)}`);
  }
  for (const image of all("article figure img")) {
    const scale = image.getBoundingClientRect().width / image.naturalWidth;
    if (image.naturalWidth > 400 && image.checkVisibility() && scale < SHRUNK) problems.push(`a figure shrunk to ${scale.toFixed(2)}: ${say(image)}`);
  }

  // Words in pictures are whole, and shapes can be told from the page, in either theme.
  for (const text of all("article svg.drawn text")) {
    const word = text.getBoundingClientRect(), drawing = text.ownerSVGElement.getBoundingClientRect();
    if (word.width && (word.right > drawing.right + 1 || word.left < drawing.left - 1)) problems.push("words cut at the edge of a figure: " + text.textContent.slice(0, 60));
  }
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).map((x) => { const c = x / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = getComputedStyle(document.documentElement).getPropertyValue("--pst-color-background").trim(), probe = document.createElement("i");
  probe.style.color = paper;
  document.body.append(probe);
  const ground = getComputedStyle(probe).color;
  probe.remove();
  const contrast = (colour) => (Math.max(light(colour), light(ground)) + 0.05) / (Math.min(light(colour), light(ground)) + 0.05);
  for (const shape of document.documentElement.dataset.theme === "dark" ? all("article svg.drawn path") : []) { // drawn for white
    const { fill, stroke } = getComputedStyle(shape);
    if (fill === "none" && stroke.startsWith("rgb(") && stroke !== ground && contrast(stroke) < VISIBLE) problems.push(`a line of a figure hardly differs from the page: ${stroke} on ${ground}`);
    if (!fill.startsWith("rgb(") || fill === ground || contrast(fill) >= VISIBLE || (stroke.startsWith("rgb") && contrast(stroke) >= VISIBLE)) continue;
    const { width, height } = shape.getBoundingClientRect();
    if (width * height > 20) problems.push(`a shape of a figure hardly differs from the page: ${fill} on ${ground}`);
  }

  // A wide window shows a chapter's code as it is written; no cell's words run into the next; a sign stays at its formula.
  for (const code of innerWidth > WIDE ? all(".cell_input pre") : []) {
    if (!code.checkVisibility()) continue;
    const { lineHeight, fontSize, paddingTop, paddingBottom } = getComputedStyle(code), height = parseFloat(lineHeight) || 1.2 * parseFloat(fontSize);
    const drawn = (code.scrollHeight - parseFloat(paddingTop) - parseFloat(paddingBottom)) / height, lines = code.textContent.trimEnd().split("\n").length;
    if (drawn > lines + 0.7) problems.push(`a line of code goes on in the next: ${code.textContent.split("\n").sort((a, b) => b.length - a.length)[0].slice(0, 60)}`);
  }
  for (const cell of all("article :is(td, th)")) {
    if (!cell.checkVisibility() || !cell.textContent.trim()) continue;
    const range = new Range(), { left, right } = cell.getBoundingClientRect();
    range.selectNodeContents(cell);
    const formulas = [...cell.querySelectorAll("mjx-math")], parts = (formulas.length ? formulas : [range]).map((part) => part.getBoundingClientRect());
    if (parts.some((part) => part.width && (part.right > right + 1 || part.left < left - 1))) problems.push("words run out of their cell: " + cell.textContent.trim().slice(0, 60));
  }
  for (const formula of all("article span.math")) {
    const after = formula.nextSibling;
    if (after?.nodeType !== 3 || !/^[,.;:)!?]/.test(after.data) || !formula.checkVisibility()) continue;
    const range = new Range();
    range.setStart(after, 0);
    range.setEnd(after, 1);
    if (range.getBoundingClientRect().top > formula.getBoundingClientRect().bottom) problems.push("a line begins with the sign behind a formula: " + formula.textContent.slice(0, 40));
  }

  // Names in headings break at a sign, not within a word; columns stay columns; buttons do not hide a clip.
  for (const heading of all("article :is(h1, h2, h3, th)")) {
    const walker = document.createTreeWalker(heading, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) for (const word of node.data.matchAll(/[A-Za-z]+/g)) {
      const range = new Range();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size > 1) problems.push(`broken within a word: ${word[0]} in ${heading.textContent.slice(0, 60)}`);
    }
  }
  for (const text of innerWidth > 600 ? [] : all(".cell_output pre.columns")) {
    const { lineHeight, paddingTop, paddingBottom } = getComputedStyle(text), lines = text.textContent.trimEnd().split("\n").length;
    const drawn = (text.scrollHeight - parseFloat(paddingTop) - parseFloat(paddingBottom)) / parseFloat(lineHeight);
    if (drawn > lines + 0.6) problems.push("columns are torn: " + text.textContent.trim().slice(0, 60));
  }
  for (const words of all("table.dataframe caption span")) {
    if (words.getBoundingClientRect().right > words.closest(".output").getBoundingClientRect().right + 1) problems.push("the caption of a table is cut: " + words.textContent.slice(0, 60));
  }
  for (const video of all("article video[controls]")) {
    const poster = new Image();
    poster.src = video.poster;
    await poster.decode().catch(() => null);
    const { width, height } = video.getBoundingClientRect();
    if (height - (width * poster.naturalHeight) / poster.naturalWidth < BUTTONS) problems.push("its buttons hide a part of a clip: " + say(video));
  }

  for (const cells of all(".cells")) {
    const last = [...cells.querySelectorAll(".cell")].pop();
    if (last && last.getBoundingClientRect().right > cells.getBoundingClientRect().right + 1) problems.push("its frame does not hold all of a grid: " + say(cells));
  }

  for (const key of innerWidth > 600 ? [] : all("form kbd, button kbd")) if (key.checkVisibility()) problems.push("a telephone has no such key: " + key.textContent);

  const h1 = all("article h1").length;
  if (h1 !== 1 && !location.pathname.match(/(search|genindex)\.html$/)) problems.push(`${h1} headings of level 1`);
  for (const [css, what] of [["title", "title"], ['meta[name="description"]', "description"], ['meta[property="og:image"]', "picture for a shared link"]])
    if (!document.querySelector(css)) problems.push(`no ${what}`);
  folds.forEach((fold) => { fold.open = false; });
  return problems;
})()
