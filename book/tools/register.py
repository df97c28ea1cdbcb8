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
from typing import Any, Literal, get_args, get_origin, get_type_hints

from book.tools.entries import ENTRIES, GATE
from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.decoding import PROTOCOLS
from cmpie_lite.results import findings
from cmpie_lite.results.intervals import side_of_zero
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.report_form import Report
from cmpie_lite.results.reports import made_by, remarks, settings_text
from cmpie_lite.results.score_tables import behaviour_of, behaviour_table, score_name

RESULTS = Path(__file__).parents[1] / "results"
SHOWN = ("clip-long, audio", "clip-long, visual", "timing adds, event")  # of the table of behaviour


def choices(field: str) -> tuple[Any, ...] | None:
    """The values that `ModelConfig` allows for a field, default first; None where it is a number."""
    hint = get_type_hints(ModelConfig)[field]
    return get_args(hint) if get_origin(hint) is Literal else None


def default(field: str) -> Any:
    return next(f.default for f in dataclasses.fields(ModelConfig) if f.name == field)


def command(field: str, value: Any) -> str:
    """The command that trains with one reading."""
    return f"papermill notebooks/train.ipynb out.ipynb -p overrides '{json.dumps({field: value})}'"


def results() -> list[Report]:
    """The stored reports of two seeds or more, in the order of their file names."""
    stored = [read_report(path) for path in sorted(RESULTS.glob("ambiguities*.json"))]
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
            metric = score_name(found["metric"])
            than = default_there(field, stored)
            over = f", over {than}" if than != str(default(field)) else ""
            return f"{found['mean']:+z.2f} [{found['low']:+.2f}, {found['high']:+.2f}] {metric}{over}"
    there = {default_there(field, stored) for stored in reports}
    if str(value) in there:
        return "default" if value == default(field) else "what these runs have otherwise"
    if value == default(field):
        return f"default (there {', '.join(sorted(there))})" if there else "default"
    return "not run here"


def summary(stored: Report) -> list[str]:
    """What one report measured and how, and every measured reading, the one that helps most first."""
    effects = stored["effects"]
    rows = [(f"{field}={value}", found) for field in effects for value, found in effects[field].items()]
    rows.sort(key=lambda row: -row[1]["mean"])
    matter = [f"`{name}`" for name, found in rows if side_of_zero(found["low"], found["high"])]
    half = statistics.median((found["high"] - found["low"]) / 2 for _, found in rows)
    also = f", every run with {settings_text(stored['base'])}" if stored["base"] else ""
    title = f"At D = {width(stored)}"
    lines = [
        f"### {title}: {', '.join(effects)}" if len(effects) < len(ENTRIES) / 2 else f"### {title}",
        "",
        f"Measured on {stored['source']}{'' if stored['source'] == 'LLP' else ', which is not LLP'}: "
        f"{len(stored['seeds'])} paired seeds, {stored['epochs']} epochs{also}. Points of F-score on the "
        f"test split, each reading minus the runs without it; 95 % intervals: {stored['interval']}.",
        "",
        (
            f"Of {len(rows)} readings, {len(matter)} have an interval of segment Type@AV that leaves out zero"
            f"{': ' * bool(matter)}{', '.join(matter)}. "
            if len(rows) > 1
            else f"Its interval of segment Type@AV {'leaves out' if matter else 'holds'} zero. "
        )
        + f"Half an interval is about {half:.1f} points: a much smaller effect would not show; "
        "and of twenty readings without any effect, one would be starred by chance.",
        "",
    ]
    if len(behaviour := behaviour_of(stored)):
        last = "The last columns: the share of predicted events that span the clip, and what timing adds."
        lines += [f"{findings.of_readings(behaviour)} {last}", ""]
    shown = behaviour_table(stored).cells[list(SHOWN)]
    shown = shown.reindex(["default", *(name for name, _ in rows)], fill_value="–") if len(shown) else shown
    heads = ["reading", "segment Type@AV", "event Type@AV", *(SHOWN if len(shown) else ())]
    lines += [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    if len(shown):
        lines.append(f"| default | – | – | {' | '.join(shown.loc['default'])} |")
    for name, found in rows:
        cells = [
            f"{x['mean']:+z.2f} [{x['low']:+.2f}, {x['high']:+.2f}]"
            + " *" * abs(side_of_zero(x["low"], x["high"]))
            for x in (found["all"]["segment_type"], found["all"]["event_type"])
        ]
        cells += list(shown.loc[name]) if len(shown) else []
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    made = f"{made_by(stored)}. {remarks(stored)}".strip()
    return [*lines, "", made, "", "```bash", stored["command"], "```", ""]


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
        "Others read from the papers' public code who uses which, and told us; we have not checked it.",
        "",
        f"Why the default: {GATE.reason}",
        "",
        "```bash",
        "python -m cmpie_lite evaluate RUN_FOLDER --protocols",
        "```",
        "",
    ]


def field_section(field: str, alike: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """One entry: question, readings with their effects by kind of report, default, command."""
    entry = ENTRIES[field]
    other = next(v for v in entry.readings if v != default(field))
    heads = ["reading", *(f"effect on {kind}" for kind in alike)]
    rows = [
        [f"`{value}`", text, *(effect(field, value, same) for same in alike.values())]
        for value, text in entry.readings.items()
    ]
    return [
        f"## {field}",
        "",
        f"**{entry.question}**",
        "",
        f"The paper: {entry.paper}",
        "",
        f"| `{field}` | {' | '.join(heads)} |",
        "|---" * (1 + len(heads)) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"Why the default: {entry.reason}",
        "",
        "```bash",
        command(field, other),
        "```",
        "",
    ]


def recipe_section() -> list[str]:
    """What has no field, and the training recipe."""
    return [
        "## A question without a field",
        "",
        "What joins the two streams in the rows of Table 2 that have no CMA? Eq. 12–13 average what CMA "
        "gives; without it we average what HAN gives.",
        "",
        "## The training recipe",
        "",
        "The paper states no optimiser, learning rate, batch size, number of epochs, loss, label smoothing "
        "or seed. All of it is HAN's, in `TrainConfig`:",
        "",
        "| `TrainConfig` | default |",
        "|---|---|",
        *(f"| `{f.name}` | `{f.default}` |" for f in dataclasses.fields(TrainConfig)),
        "",
        "Adam without weight decay; the learning rate is multiplied by `lr_gamma` after every `lr_step` "
        "epochs; the epoch with the best validation segment Type@AV is kept, the later one where two are "
        "equal.",
    ]


def markdown() -> str:
    """The register as Markdown: what was measured, one heading per field, then the recipe."""
    reports = results()
    alike: dict[str, list[Report]] = {}  # of one data set and width, the one of most seeds first
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
    for field in ENTRIES:
        lines += field_section(field, alike)
    return "\n".join(lines + gate_section() + recipe_section())
