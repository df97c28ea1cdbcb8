"""The ambiguity register: what the paper leaves open, the readings, our default, the measured effect.

One entry per field of `ModelConfig` that the paper does not settle; tests hold the two to each other. Effects
come from the reports `book/results/ambiguities*.json`, each of models of one width:

    {"source": "LLP-sim", "seeds": 10, "epochs": 20, "base": "dim=128", "command": "...", "machine": "...",
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
from cmpie_lite.results.intervals import leaves_out_zero
from cmpie_lite.results.reports import made_by

RESULTS = Path(__file__).parents[1] / "results"

# Fields that the paper settles: the rows of Table 2 and d = 512.
SETTLED = frozenset({"segment_attention", "cma_audio", "cma_visual", "dim"})


class Entry(NamedTuple):
    """One open question. `readings` explains every value; for a number, only the values worth comparing."""

    question: str
    paper: str
    readings: dict[Any, str]
    reason: str


ENTRIES: dict[str, Entry] = {
    "sa_axis": Entry(
        "What does one segment-attention weight belong to?",
        "Eq. 4 sums over the segments, s = 1 to T. What is left is one number per channel. The text speaks "
        "of “the "
        "importance of each segment”, Fig. 3 of “segment-wise attention weights”, and W carries the index t.",
        {
            "segment": "Average over the D channels, mix over the T segments: one weight a segment. Follows "
            "the words.",
            "channel": "Average over the T segments, mix over the D channels: one weight a channel. Follows "
            "Eq. 4, and "
            "the channel attention that the paper cites.",
            "both": "Both, each from the same features; the two weights are multiplied.",
        },
        "“The importance of each segment”, the figure and the index ask for one weight a segment; the sum "
        "sign, “along the segment dimension” and the likeness to channel attention for one a channel. We "
        "follow the first.",
    ),
    "sa_squeeze": Entry(
        "Mean or sum before the network?",
        "The text says “the average feature representation is computed”; Eq. 4 prints a sum.",
        {
            "mean": "Average.",
            "sum": "Sum, over whatever `sa_axis` averages: by default the D channels. Eq. 4's own sum, over "
            'T, is `{"sa_axis": "channel", "sa_squeeze": "sum"}`.',
        },
        "A first linear layer can undo the factor; the mean keeps its inputs small at the start.",
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
        "“audio and visual features within a video”. The next step is “input into the HAN module”.",
        {
            "projected": "After the projection to D, before HAN.",
            "raw": "The encoders' own features, before the projection.",
        },
        "The dimensions (b, s, d) have d, which is 512 everywhere else in the paper.",
    ),
    "han_sharing": Entry(
        "Do the two streams share one HAN?",
        "Not stated. The text says “the HAN module” for both; the symbols f̂^h and f̂^s tell only the "
        "features apart.",
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
        "Eq. 8–11 print nothing: no projection, no residual, no norm.",
        {
            "projected": "Learned projections of query, key and value.",
            "residual_norm": "The same, then a residual connection and a layer norm.",
            "printed": "Eq. 1 and nothing else. CMA then has no parameters.",
        },
        "Every δ_attn of HAN's code has projections; “block” suggests something that is learned. Narrow "
        "models would speak for another form; those of the paper's width do not tell the three apart.",
    ),
    "cma_sharing": Entry(
        "One CMA block per stream, or one per modality too?",
        "“Two cross-modal aggregation (CMA) blocks are used”, and there are two streams.",
        {
            "per_stream": "Two blocks: each serves both modalities of its stream.",
            "per_modality": "Four blocks.",
        },
        "Two blocks, two streams.",
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
    """The stored reports, in the order of their file names; none where nothing has been measured."""
    return [json.loads(path.read_text(encoding="utf8")) for path in sorted(RESULTS.glob("ambiguities*.json"))]


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
    """A reading's effect as the first report that measured it has it, or that none did."""
    if value == default(field):
        there = {default_there(field, stored) for stored in reports} - {str(value)}
        return f"default (there {', '.join(sorted(there))})" if there else "default"
    found = next(filter(None, (measured(field, value, stored) for stored in reports)), None)
    if found is None:
        return "not run here"
    metric = found["metric"].replace("_", " ")
    return f"{found['mean']:+.2f} [{found['low']:+.2f}, {found['high']:+.2f}] {metric}"


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
        f"{stored['seeds']} paired seeds, {stored['epochs']} epochs{also}. Points of F-score on the test "
        "split, reading minus default; 95 % intervals over seeds and test videos.",
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


def markdown() -> str:
    """The register as Markdown: what was measured, one heading per field, then the recipe."""
    reports = results()
    alike: dict[str, list[dict[str, Any]]] = {}  # of one data set and width, the one of most seeds first
    for stored in reports:
        alike.setdefault(f"{stored['source']}, D = {width(stored)}", []).append(stored)
    for same in alike.values():
        same.sort(key=lambda stored: -stored["seeds"])
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
    lines += [
        "## Two questions without a field",
        "",
        "- In what order are the two visual features projected and joined? The paper joins, then projects; "
        "HAN's code projects each, then joins and projects again. We follow the code, so that its weights "
        "load.",
        "- What joins the two streams in the rows of Table 2 that have no CMA? Eq. 12–13 average what CMA "
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
