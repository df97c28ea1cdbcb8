/* Ready-made clips that show a lesson. An event is [class, "heard" or "seen", from, until] in seconds.
   tests/test_live.py checks what the texts say. */
"use strict";

const SCENES = [
  {
    name: "A dog and a voice",
    text: "A dog barks for three seconds and stays in the picture; then somebody speaks, off screen. The parser finds when the voice begins. " +
      "But it lets the barks go on for as long as the dog is seen, and it sees a speaker where nobody is. Paint over the clip, and " +
      "watch what becomes of that.",
    events: [["Dog", "heard", 0, 3], ["Dog", "seen", 0, 10], ["Speech", "heard", 4, 10]],
  },
  {
    name: "What is heard leaks into what is seen",
    text: "A violin is heard for ten seconds, and nothing is seen. The parser sees it too: training told it only that the clip has a violin, " +
      "and most violins that are heard are seen. Switch CMA and stream s off: most of the leak stays, since HAN reads the other " +
      "modality as well.",
    events: [["Violin fiddle", "heard", 0, 10]],
  },
  {
    name: "A short event is lost",
    text: "Somebody speaks for ten seconds, and a vacuum cleaner runs for one. The parser does not report it: for the clip as a whole it is " +
      "improbable, and the gate is shut. Paint it longer: how many seconds does it need? Or lower the threshold, and see what else " +
      "comes in.",
    events: [["Speech", "heard", 0, 10], ["Speech", "seen", 0, 10], ["Vacuum cleaner", "heard", 4, 5]],
  },
  {
    name: "One event hides another",
    text: "A dog barks off screen and then runs into view; a guitar plays throughout, and its player is visible only at the end. Alone, the " +
      "parser finds each of them. Together, it loses the dog with most backgrounds. Press “Without Acoustic guitar”, and the dog " +
      "is back.",
    events: [["Dog", "heard", 0, 3], ["Dog", "seen", 4, 10], ["Acoustic guitar", "heard", 0, 10], ["Acoustic guitar", "seen", 8, 10]],
  },
  {
    name: "SA is a gate of place",
    text: "Singing is heard twice. Look at the weights of SA below: paint, mute, make everything louder, take another background. They hardly " +
      "move. What this SA has learned is a habit of place, nearly the same for every clip, and not a judgement of what a second " +
      "holds.",
    events: [["Singing", "heard", 1, 3], ["Singing", "heard", 8, 10]],
  },
];

/** Rolls (M, T, C) of 0 and 1 of a scene's events. */
function rollsOf(scene, classes, segments) {
  const rolls = [0, 1].map(() => Array.from({ length: segments }, () => Array(classes.length).fill(0)));
  for (const [name, how, from, until] of scene.events) {
    for (let t = from; t < until; t += 1) rolls[how === "heard" ? 0 : 1][t][classes.indexOf(name)] = 1;
  }
  return rolls;
}

if (typeof module !== "undefined") module.exports = { SCENES, rollsOf };
