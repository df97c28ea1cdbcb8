/* CM-PIE's forward pass in plain JavaScript: what cmpie_lite.model.CMPIE computes in evaluation mode, for one clip.
   A matrix is an array of rows (time first); a clip's features are [audio, visual], each (T, D). The reading of the paper:
   a weight per segment, two HANs, CMA over tokens with a residual and a norm, one block per stream.
   `python -m book.tools.check_live` holds it to the package. */
"use strict";

const CMPIE = (() => {
  // ---------- stored numbers ----------

  /** float16 in base64, little-endian, as Float64Array. */
  function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), view = new DataView(bytes.buffer);
    return Float64Array.from({ length: bytes.length / 2 }, (_, i) => {
      const bits = view.getUint16(2 * i, true), sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
      return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
    });
  }

  /** A stored array as nested arrays, the last axis a Float64Array. */
  function nested({ shape, float16 }) {
    const split = (flat, [size, ...rest]) => rest.length
      ? Array.from({ length: size }, (_, i) => split(flat.subarray((i * flat.length) / size, ((i + 1) * flat.length) / size), rest))
      : flat;
    return split(unpack(float16), shape);
  }

  /** Parameters by name, "hans.0.layers.0.norm1.weight", as a tree: hans[0].layers[0].norm1.weight. */
  function load(stored) {
    const tree = {};
    for (const [name, entry] of Object.entries(stored.parameters)) {
      const path = name.split("."), last = path.pop();
      path.reduce((node, key) => (node[key] ??= {}), tree)[last] = nested(entry);
    }
    return tree;
  }

  // ---------- matrices ----------

  /** x Wᵀ + b, with W (out, in) as PyTorch keeps it. */
  const linear = (x, { weight, bias }) => x.map((row) => {
    const out = new Array(weight.length), size = row.length;
    for (let i = 0; i < out.length; i += 1) {
      const w = weight[i];
      let sum = bias ? bias[i] : 0;
      for (let k = 0; k < size; k += 1) sum += w[k] * row[k];
      out[i] = sum;
    }
    return out;
  });
  const add = (...all) => all[0].map((row, t) => row.map((_, d) => all.reduce((sum, x) => sum + x[t][d], 0)));
  const scale = (x, factors) => x.map((row, t) => row.map((v) => v * factors[t]));
  const relu = (x) => x.map((row) => row.map((v) => Math.max(v, 0)));
  const sigmoid = (v) => 1 / (1 + Math.exp(-v));
  const mean = (row) => row.reduce((a, b) => a + b, 0) / row.length;

  function softmax(values) {
    const top = Math.max(...values), powers = values.map((v) => Math.exp(v - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((v) => v / sum);
  }

  /** Each row with mean 0 and variance 1, then scaled and shifted. */
  const layerNorm = (x, { weight, bias }) => x.map((row) => {
    const middle = mean(row), deviation = Math.sqrt(mean(row.map((v) => (v - middle) ** 2)) + 1e-5);
    return row.map((v, d) => ((v - middle) / deviation) * weight[d] + bias[d]);
  });

  // ---------- the blocks, in the order of the chapters ----------

  /** Eq. 1 between projections: {values (Q, D), weights (Q, K)}. */
  function attention(block, query, context) {
    const q = linear(query, block.query), k = linear(context, block.key), v = linear(context, block.value);
    const logits = q.map((a) => k.map((b) => a.reduce((sum, x, d) => sum + x * b[d], 0) / Math.sqrt(a.length)));
    const weights = logits.map(softmax);
    const read = weights.map((row) => v[0].map((_, d) => row.reduce((sum, w, key) => sum + w * v[key][d], 0)));
    return { values: linear(read, block.out), weights };
  }

  /** Eq. 2-3 as HAN's authors coded them. */
  function han(layer, features) {
    const self = [], cross = [];
    const out = features.map((x, m) => {
      const own = attention(layer.self_attention, x, x), other = attention(layer.cross_attention, x, features[1 - m]);
      self.push(own.weights);
      cross.push(other.weights);
      const hidden = layerNorm(add(x, other.values, own.values), layer.norm1);
      return layerNorm(add(hidden, linear(relu(linear(hidden, layer.linear1)), layer.linear2)), layer.norm2);
    });
    return { out, self, cross };
  }

  /** Eq. 4-7: one gate per segment and modality (M, T), from the means of all segments. */
  const gatesOf = (phi, features) => features.map((x) => linear(relu(linear([x.map(mean)], phi[0])), phi[2])[0].map(sigmoid));

  /** Eq. 8-11: each modality reads both, beside a residual. */
  function cma(block, features) {
    const context = [...features[0], ...features[1]];
    const reads = features.map((x) => attention(block.attention, x, context));
    const out = features.map((x, m) => layerNorm(add(x, reads[m].values), block.norm));
    return { out, weights: reads.map((read) => read.weights) };
  }

  /** MMIL: probabilities and both attentions (T, M, C), and what they pool to (C). */
  function mmil(head, features) {
    const maps = (layer) => {
      const [a, v] = features.map((x) => linear(x, layer));
      return a.map((row, t) => [row, v[t]]);
    };
    const segments = maps(head.classifier).map((pair) => pair.map((row) => row.map(sigmoid)));
    const classes = segments[0][0].map((_, c) => c), empty = () => segments.map(() => [[], []]);
    const temporal = empty(), modality = empty(), times = maps(head.temporal), kinds = maps(head.modality);
    for (const c of classes) {
      for (const m of [0, 1]) softmax(times.map((pair) => pair[m][c])).forEach((w, t) => { temporal[t][m][c] = w; });
      kinds.forEach((pair, t) => softmax([pair[0][c], pair[1][c]]).forEach((w, m) => { modality[t][m][c] = w; }));
    }
    const pool = (share) => classes.map((c) => segments.reduce((sum, pair, t) => sum + share(t, c, pair), 0));
    const of = (m) => (t, c, pair) => temporal[t][m][c] * pair[m][c];
    const both = (t, c, pair) => of(0)(t, c, pair) * modality[t][0][c] + of(1)(t, c, pair) * modality[t][1][c];
    return { segments, temporal, modality, audio: pool(of(0)), visual: pool(of(1)), video: pool(both) };
  }

  // ---------- the model ----------

  const ALL_ON = { sa: true, cma: true, second: true, swap: false };

  /** Parse one clip. `switches` leave blocks out of the trained model: SA's gates become 1, CMA passes its input on, the second
   * stream is not averaged in; `swap` exchanges the two modalities behind the front end. */
  function parse(model, { audio, visual_2d, visual_3d }, switches = ALL_ON) {
    const front = model.front_end, frames = linear(visual_2d, front.visual_2d), motion = linear(visual_3d, front.visual_3d);
    const features = [linear(audio, front.audio), linear(frames.map((row, t) => [...row, ...motion[t]]), front.fusion)];
    if (switches.swap) features.reverse();
    const weights = {}, streams = [features];
    if (switches.second) {
      const gates = gatesOf(model.segment_attention.gates.segment.phi[0], features);
      if (switches.sa) weights["sa.segment"] = gates;
      streams.push(switches.sa ? features.map((x, m) => scale(x, gates[m])) : features);
    }
    const parsed = streams.map((x, s) => {
      const name = "hs"[s], { out, self, cross } = han(model.hans[s].layers[0], x);
      Object.assign(weights, { [`${name}.self`]: self, [`${name}.cross`]: cross });
      if (!switches.cma) return out;
      const aggregated = cma(model.aggregations[s].blocks[0], out);
      ["audio", "visual"].forEach((kind, m) => { weights[`${name}.cma.${kind}`] = aggregated.weights[m]; });
      return aggregated.out;
    });
    const mixed = parsed[0].map((x, m) => add(...parsed.map((one) => one[m])).map((row) => row.map((v) => v / parsed.length)));
    const { temporal, modality, ...probabilities } = mmil(model.head, mixed);
    return { ...probabilities, weights: { ...weights, temporal, modality } };
  }

  return { load, nested, parse, ALL_ON };
})();

if (typeof module !== "undefined") module.exports = CMPIE;
