/* Clips that a reader composes, as features: the formula of book/tools/live_world.py.
   z = background + noise + sum over classes of signal * evidence * prototype; feature = relu(level + z W). */
"use strict";

const CLIP = (() => {
  /** Numbers in [0, 1) from a seed (mulberry32): the same clip on every machine. */
  function randomFrom(seed) {
    let state = (seed * 2654435761) >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let x = Math.imul(state ^ (state >>> 15), state | 1);
      x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
      return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
    };
  }

  /** A standard normal number (Box-Muller). */
  const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

  function load({ world }, nested) {
    const encoders = Object.entries(world.encoders).map(([name, { modality, mixing, level }]) =>
      ({ name, modality, mixing: nested(mixing), level: nested(level) }));
    return { ...world, prototypes: nested(world.prototypes), encoders };
  }

  /** Evidence (T, C) of one modality: its rolls (T, C), smeared by the leak, times the strength. */
  const evidenceOf = (world, rolls, strength) => rolls.map((row, t) => row.map((on, c) => {
    const beside = Math.max(rolls[t - 1]?.[c] ?? 0, rolls[t + 1]?.[c] ?? 0);
    return strength * Math.max(on, world.leak * beside);
  }));

  /** What a composed clip is made of: background (M, L), noise and evidence per segment.
   * `rolls` (M, T, C) of 0 and 1; `strength` [audio, visual]; `noise` a factor; `muted` (M, T). */
  function partsOf(world, { rolls, strength, noise, seed }) {
    const random = randomFrom(seed), draw = () => Array.from({ length: world.latent }, () => normal(random));
    const background = rolls.map(draw);
    const own = rolls.map((roll) => roll.map(() => draw().map((v) => noise * world.noise * v)));
    return { background, noise: own, evidence: rolls.map((roll, m) => evidenceOf(world, roll, strength[m])) };
  }

  /** Latent vectors (M, T, L); of a muted second nothing is left, not even the background. */
  function latents(world, { background, noise, evidence }, muted) {
    return evidence.map((segments, m) => segments.map((classes, t) => background[m].map((b, l) => {
      if (muted?.[m]?.[t]) return 0;
      const shown = classes.reduce((sum, e, c) => (e ? sum + e * world.prototypes[m][c][l] : sum), 0);
      return b + noise[m][t][l] + world.signal[m] * shown;
    })));
  }

  /** Features by name, (T, width) each. `mixing` is kept transposed, (width, L). */
  function views(world, z) {
    return Object.fromEntries(world.encoders.map(({ name, modality, mixing, level }) => [name, z[modality].map((row) =>
      mixing.map((w, i) => Math.max(0, row.reduce((sum, v, l) => sum + v * w[l], level[i]))))]));
  }

  const features = (world, clip) => views(world, latents(world, partsOf(world, clip), clip.muted));

  return { load, randomFrom, partsOf, latents, views, features };
})();

if (typeof module !== "undefined") module.exports = CLIP;
