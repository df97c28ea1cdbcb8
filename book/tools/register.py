"""The ambiguity register: what the paper leaves open, the readings, our default, the measured effect.

One entry per field of `ModelConfig` that the paper does not settle; tests hold the two to each other. Effects
come from the reports `book/results/ambiguities*.json`, each of models of one width:

    {"kind": "readings", "source": "LLP-sim", "seeds": [1, 2, 3], "epochs": 20, "base": "dim=128", ...
     "effects": {"sa_axis": {"channel": {"metric": "event_type", "mean": -0.4, "low": -0.9, "high": 0.1}}}}

`mean`, `low` and `high` are points of the F-score, reading minus default, paired over seeds, with a
95 % interval.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.decoding import PROTOCOLS
from cmpie_lite.results.intervals import leaves_out_zero
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.reports import made_by

RESULTS = Path(__file__).parents[1] / "results"


class Entry(NamedTuple):
    """One open question. `readings` explains every value; for a number, only the values worth comparing."""

    question: str
    paper: str
    readings: dict[Any, str]
    reason: str


ENTRIES: dict[str, Entry] = {
    "front_end": Entry(
        "How do the two visual features become one?",
        "“The concatenation of 2D and 3D visual features is subsequently fed through a multi-layer "
        "perceptron (MLP) to generate segment-wise representations.”",
        {
            "han": "HAN's code: project each to D, join the two, project again. No activation.",
            "mlp": "As the sentence says: join 2048 and 512 numbers, then Linear, ReLU, Linear.",
        },
        "HAN's row of Table 1 rests on HAN's front end, and with it the published weights of HAN load.",
    ),
    "sa_axis": Entry(
        "What does one segment-attention weight belong to, and what is it read from?",
        "Eq. 4 sums over the segments, s = 1 to T, and hands the sum, one number per channel, to a "
        "network. The text speaks of “the importance of each segment”, the caption of Fig. 3 of "
        "“segment-wise attention weights”, and W carries the index t.",
        {
            "segment": "Average over the D channels; φ takes T numbers to T weights, one per segment. "
            "Follows the words.",
            "global": "Average over the T segments; φ takes D numbers through D/16 to T weights, one per "
            "segment. The only reading that keeps the sum, the index t and the words at once. But its "
            "squeeze has forgotten when anything happened: it weighs places by what the clip holds as a "
            "whole.",
            "channel": "Average over the T segments; φ takes D numbers to D weights, one per channel. "
            "Follows the sum, and gives up the index t.",
            "both": "By segment and by channel, each from the same features; the two weights are multiplied.",
        },
        "“The importance of each segment” asks for a weight that can depend on that segment, which only "
        "`segment` (and `both`) gives. The sum sign does not rule a weight per segment out, since a "
        "network may take D numbers to T. The likeness to channel attention speaks for either: there, too, "
        "a weight is given along the axis that was not averaged, and SA may have put segments in the place "
        "of channels.",
    ),
    "sa_squeeze": Entry(
        "Mean or sum before the network?",
        "The text says “the average feature representation is computed”; Eq. 4 prints a sum.",
        {
            "mean": "Average.",
            "sum": "Sum, over whatever `sa_axis` averages: by default the D channels. Eq. 4's own sum, over "
            'T, is `{"sa_axis": "global", "sa_squeeze": "sum"}`.',
            "standardised": "The average, then zero mean and unit variance over the inputs of φ. Not "
            "printed; it repairs the mean's size.",
        },
        "Mean and sum differ by a constant factor, which the first linear layer can absorb; the mean is the "
        "word. After a projection the mean of hundreds of signed channels is almost nothing, and φ answers "
        "with its biases: nearly one gate for all clips. "
        "[Chapter 3](../notebooks/03_segment_attention.ipynb) shows it.",
    ),
    "sa_layers": Entry(
        "How many linear layers has φ?",
        "“several linear layers and activation functions (e.g. ReLU and Sigmoid)”.",
        {2: "Two, as in squeeze-and-excitation.", 3: "Three."},
        "Squeeze-and-excitation, which the paper says SA resembles, has two.",
    ),
    "sa_reduction": Entry(
        "How narrow is φ inside?",
        "Not stated.",
        {2: "Half the width: 5 of 10 segments.", 1: "No reduction.", 5: "A fifth: 2 of 10 segments."},
        "Squeeze-and-excitation divides hundreds of channels by 16. Ten segments do not leave room for that.",
    ),
    "sa_sharing": Entry(
        "One φ for both modalities, or one each?",
        "Eq. 4 and Eq. 5 print the same φ.",
        {"shared": "One network.", "per_modality": "Two networks."},
        "As printed.",
    ),
    "sa_input": Entry(
        "Which features does SA weigh?",
        "Eq. 4 reads “audio and visual features within a video”. Before it stands: “These features are "
        "firstly aggregated by the hybrid attention network (HAN)”; after it: “input into the HAN module "
        "to do further aggregation”.",
        {
            "projected": "After the projection to D, before HAN.",
            "raw": "The encoders' own features, before the projection.",
            "aggregated": "What the HAN of stream h wrote: HAN, then SA, then HAN again. HAN ends in a layer "
            "norm, after which the average over D is zero in every segment, so that `sa_axis=segment` starts "
            "blind; try it with `global`.",
        },
        "The dimensions (b, s, d) have d, which is 512 everywhere else in the paper. No "
        "symbol of Eq. 4 names HAN's output.",
    ),
    "han_sharing": Entry(
        "Do the two streams share one HAN?",
        "Not stated. The text says “the HAN module” for both; the symbols $\\hat f^h$ and $\\hat f^s$ tell "
        "only the features apart.",
        {"two": "A HAN for each stream.", "one": "The same weights in both."},
        "Nothing printed ties them, and the two streams read inputs of different scale.",
    ),
    "cma_concat": Entry(
        "What does ⊕ join?",
        "“⊕ means concatenating operation”. The axis is not stated.",
        {
            "tokens": "The segments of both modalities as 2T keys of D.",
            "features": "Audio and visual of the same second as T keys of 2D.",
        },
        "Eq. 1 needs query and key of one width d. With tokens Eq. 8–11 work as printed; with features they "
        "need a "
        "projection that is not printed.",
    ),
    "cma_form": Entry(
        "What surrounds Eq. 1 in CMA?",
        "Eq. 8–11 print nothing: no projection, no residual, no norm. The text: “the single-modality "
        "features are brought closer to the fused features”.",
        {
            "residual_norm": "Learned projections, a residual connection, a layer norm.",
            "residual": "Learned projections and a residual connection.",
            "projected": "Learned projections alone. The default of runs before 26 November 2026.",
            "printed": "Eq. 1 and nothing else. CMA then has no parameters.",
        },
        "A feature that is brought closer to others is moved, not replaced: that is a residual. HAN's "
        "code, on which the paper builds, has projections, residual and norm around every attention. And "
        "without a residual aggregation makes the segments of a clip alike: a model of `projected`, "
        "trained on LLP-sim, names events and gives nearly every one of them the whole clip, while the "
        "paper's own row loses less of its audio score from segments to events than any other in Table 1.",
    ),
    "cma_sharing": Entry(
        "Whom does a CMA block serve?",
        "“Two cross-modal aggregation (CMA) blocks are used”, and there are two streams and two modalities. "
        "The caption of Table 2 names “the CMA block for audio features”.",
        {
            "per_stream": "Two blocks: each serves both modalities of its stream.",
            "modality": "Two blocks, one for audio and one for visual features: each serves both streams. "
            "The only reading in which both phrases are literally true.",
            "per_modality": "Four blocks, one for each modality of each stream.",
        },
        "Two blocks, two streams: Eq. 8–9 and Eq. 10–11 are written apart by stream. `modality` has as much "
        "of the text on its side.",
    ),
    "heads": Entry(
        "How many attention heads?",
        "“multi-head attention blocks”; no number.",
        {1: "One.", 4: "Four.", 8: "Eight."},
        "HAN's code uses one.",
    ),
    "dropout": Entry(
        "How much dropout?",
        "Not stated.",
        {0.1: "0.1.", 0.0: "None."},
        "HAN's code uses 0.1, also on the attention weights.",
    ),
    "ffn_dim": Entry(
        "How wide is HAN's feed-forward network?",
        "Eq. 2–3 print none.",
        {512: "512.", 2048: "2048, at D = 512 the usual factor of four."},
        "HAN's code uses 512, its D. So the narrow models of D = 128 have 128; there 2048 is sixteen times "
        "D, which does not tell what four times D would do.",
    ),
    "han_layers": Entry(
        "How many HAN layers?",
        "Eq. 2–3 describe one.",
        {1: "One.", 2: "Two, the second reading what the first wrote."},
        "HAN's code stacks one.",
    ),
}


# The same for a field of `DecodeConfig`: it changes no model, so one set of predictions tells its effect.
GATE = Entry(
    "When may a class of a video have events at all?",
    "Not stated: “Following [7], we evaluate the performance”, and [7] is HAN.",
    {
        "global": "Its probability for the video reaches the threshold: HAN's code.",
        "modality": "Audio and visual each by their own probability.",
        "either": "One of the two modalities' probabilities reaches it; it opens both.",
        "none": "Always.",
        "audio_global_visual_own": "Audio by the video's, visual by its own.",
    },
    "HAN's evaluation is the one that the paper names. Other papers of the same table decode otherwise, so "
    "their numbers and its own are not of one protocol.",
)


def choices(field: str) -> tuple[Any, ...] | None:
    """The values that `ModelConfig` allows for a field, default first; None where it is a number."""
    hint = get_type_hints(ModelConfig)[field]
    return get_args(hint) if get_origin(hint) is Literal else None


def default(field: str) -> Any:
    return next(f.default for f in dataclasses.fields(ModelConfig) if f.name == field)


def command(field: str, value: Any) -> str:
    """The command that trains with one reading."""
    return f"papermill notebooks/train.ipynb out.ipynb -p overrides '{json.dumps({field: value})}'"


def results() -> list[dict[str, Any]]:
    """The stored reports of two seeds or more, in the order of their file names."""
    stored = [dict(read_report(path)) for path in sorted(RESULTS.glob("ambiguities*.json"))]
    return [report for report in stored if len(report["seeds"]) > 1]


def measured(field: str, value: Any, stored: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a report has of a reading, or None."""
    return stored["effects"].get(field, {}).get(str(value))


def default_there(field: str, stored: Mapping[str, Any]) -> str:
    """The value that a report's runs have where they do not try another."""
    changed = dict(part.split("=") for part in stored["base"].split(",") if part)
    return changed.get(field, str(default(field)))


def width(stored: Mapping[str, Any]) -> int:
    """D of the models that a report measured."""
    return int(default_there("dim", stored))


def effect(field: str, value: Any, reports: Sequence[Mapping[str, Any]]) -> str:
    """A reading's effect as the first report that measured it has it, or that none did.

    An effect is over what the report's runs have otherwise, which is named where it is not the default.
    """
    for stored in reports:
        if found := measured(field, value, stored):
            metric = found["metric"].replace("_", " ")
            than = default_there(field, stored)
            over = f", over {than}" if than != str(default(field)) else ""
            return f"{found['mean']:+.2f} [{found['low']:+.2f}, {found['high']:+.2f}] {metric}{over}"
    there = {default_there(field, stored) for stored in reports}
    if str(value) in there:
        return "default" if value == default(field) else "what these runs have otherwise"
    if value == default(field):
        return f"default (there {', '.join(sorted(there))})" if there else "default"
    return "not run here"


def summary(stored: Mapping[str, Any]) -> list[str]:
    """What one report measured and how, and every measured reading, the one that helps most first."""
    effects = stored["effects"]
    rows = [(f"`{field}={value}`", found) for field in effects for value, found in effects[field].items()]
    rows.sort(key=lambda row: -row[1]["mean"])
    matter = [name for name, found in rows if leaves_out_zero(found["low"], found["high"])]
    half = statistics.median((found["high"] - found["low"]) / 2 for _, found in rows)
    also = f", every run with `{stored['base']}`" if stored["base"] else ""
    title = f"At D = {width(stored)}"
    lines = [
        f"### {title}: {', '.join(effects)}" if len(effects) < len(ENTRIES) / 2 else f"### {title}",
        "",
        f"Measured on {stored['source']}{'' if stored['source'] == 'LLP' else ', which is not LLP'}: "
        f"{len(stored['seeds'])} paired seeds, {stored['epochs']} epochs{also}. Points of F-score on the "
        f"test split, each reading minus the runs without it; 95 % intervals: {stored['interval']}.",
        "",
        f"Of {len(rows)} readings, {len(matter)} have an interval of segment Type@AV that leaves out zero"
        + (f": {', '.join(matter)}. " if matter else ". ")
        + f"Half an interval is about {half:.1f} points: a much smaller effect would not show; "
        "and of twenty readings without any effect, one would be starred by chance.",
        "",
        "| reading | segment Type@AV | event Type@AV |",
        "|---|---|---|",
    ]
    for name, found in rows:
        cells = [
            f"{x['mean']:+.2f} [{x['low']:+.2f}, {x['high']:+.2f}]"
            + " *" * leaves_out_zero(x["low"], x["high"])
            for x in (found["all"]["segment_type"], found["all"]["event_type"])
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, "", f"{made_by(stored)}.", "", "```bash", stored["command"], "```", ""]


def gate_section() -> list[str]:
    """The entry `gate`: its readings, who uses which, and the command that scores one run under all."""
    users = {
        value: [p.papers for p in PROTOCOLS.values() if p.decoding.gate == value] for value in GATE.readings
    }
    return [
        "## gate",
        "",
        f"**{GATE.question}**",
        "",
        f"The paper: {GATE.paper}",
        "",
        "| `DecodeConfig.gate` | reading | used by |",
        "|---|---|---|",
        *(
            f"| `{value}` | {text} | {', '.join(users[value]) or 'nobody that we know'} |"
            for value, text in GATE.readings.items()
        ),
        "",
        "Who uses which was read from public code by others, and told to us.",
        "",
        f"Why the default: {GATE.reason}",
        "",
        "```bash",
        "python -m cmpie_lite evaluate RUN_FOLDER --protocols",
        "```",
        "",
    ]


def markdown() -> str:
    """The register as Markdown: what was measured, one heading per field, then the recipe."""
    reports = results()
    alike: dict[str, list[dict[str, Any]]] = {}  # of one data set and width, the one of most seeds first
    for stored in reports:
        alike.setdefault(f"{stored['source']}, D = {width(stored)}", []).append(stored)
    for same in alike.values():
        same.sort(key=lambda stored: -len(stored["seeds"]))
    lines = ["## Which readings matter", ""]
    for stored in reports:
        lines += summary(stored)
    if not reports:
        lines += [
            "No effect has been measured yet; each entry gives the command that trains with another reading.",
            "",
        ]
    for field, entry in ENTRIES.items():
        other = next(v for v in entry.readings if v != default(field))
        heads = ["reading", *(f"effect on {kind}" for kind in alike)]
        lines += [
            f"## {field}",
            "",
            f"**{entry.question}**",
            "",
            f"The paper: {entry.paper}",
            "",
            f"| `{field}` | {' | '.join(heads)} |",
            "|---" * (1 + len(heads)) + "|",
            *(
                " | ".join([f"| `{value}`", text, *(effect(field, value, same) for same in alike.values())])
                + " |"
                for value, text in entry.readings.items()
            ),
            "",
            f"Why the default: {entry.reason}",
            "",
            "```bash",
            command(field, other),
            "```",
            "",
        ]
    lines += gate_section()
    lines += [
        "## A question without a field",
        "",
        "What joins the two streams in the rows of Table 2 that have no CMA? Eq. 12–13 average what CMA "
        "gives; without it we average what HAN gives.",
        "",
        "## The training recipe",
        "",
        "The paper states no optimiser, learning rate, batch size, number of epochs, loss, label smoothing "
        "or seed. All of "
        "it is HAN's, in `TrainConfig`:",
        "",
        "| `TrainConfig` | default |",
        "|---|---|",
        *(f"| `{f.name}` | `{f.default}` |" for f in dataclasses.fields(TrainConfig)),
        "",
        "Adam without weight decay; the learning rate is multiplied by `lr_gamma` after every `lr_step` "
        "epochs; the epoch "
        "with the best validation segment Type@AV is kept, the later one where two are equal.",
    ]
    return "\n".join(lines)
