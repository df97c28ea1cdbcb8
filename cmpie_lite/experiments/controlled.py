"""The controlled study: one knob of LLP-sim at a time, the rows of Table 2 on each level of it, paired.

    python -m cmpie_lite controlled --study corrupt place --seeds 1 2 3 4 5 6 --test-videos 10000

A simulator can answer what LLP cannot: when does a block help, when does it do nothing, when does it hurt?
Beside scores it knows the mechanism, since it knows which segments are spoilt (`results.mechanism`). Runs
land in the folders of every other run: start the same command again and it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch
from jaxtyping import Bool
from torch import Tensor

from cmpie_lite.data.llp_sim import SIZES
from cmpie_lite.data.llp_sim_config import SimConfig
from cmpie_lite.data.llp_sim_latents import spoilt_segments
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.experiments.knobs import QUESTIONS, ControlledSettings, levels_of
from cmpie_lite.experiments.record import RunRecord
from cmpie_lite.experiments.run_files import model_of, read_predictions
from cmpie_lite.experiments.run_many import run_grid, seeds_together
from cmpie_lite.experiments.settings import Settings, known_fields, open_data, output_folder, run_folder
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.analysis import BEHAVIOUR, analyse, behaviour
from cmpie_lite.results.mechanism import MEASURES, mechanism
from cmpie_lite.results.pairing import paired
from cmpie_lite.results.report_form import split_of
from cmpie_lite.results.reports import machines, runs_frame
from cmpie_lite.results.study_files import KIND, read_study
from cmpie_lite.support.devices import check_device
from cmpie_lite.support.fields import override
from cmpie_lite.support.files import check_writable, replace_file

SEEN_VIDEOS: Final = 1000  # test videos, at most, on which the mechanism is measured
MEASURED: Final = tuple(dict.fromkeys((*BEHAVIOUR[1:], *MEASURES)))  # without BEHAVIOUR's count of seeds


# ---------- one condition ----------


def mechanism_of(
    job: Settings, store: FeatureStore, record: RunRecord, spoilt: Bool[Tensor, "N M T"]
) -> dict[str, float]:
    """The measures of `results.mechanism` of a run's model on the first test videos."""
    device, test = check_device(job.device), store.test
    model = model_of(run_folder(job, store, job.seeds[0]), record, device)
    rows = slice(0, len(spoilt))
    with torch.inference_mode():
        features = (x[rows].to(device) for x in (test.audio, test.visual_2d, test.visual_3d))
        weights = model(*features).weights
    blocks = {name: x for name, x in weights.items() if name.startswith("sa.") or ".cma." in name}
    wanted = {name: x.float().cpu() for name, x in blocks.items()}
    return mechanism(wanted, spoilt)


def run_condition(
    settings: ControlledSettings, knobs: Mapping[str, Any], progress: bool
) -> tuple[list[RunRecord], pd.DataFrame]:
    """Run every row on one level of one knob; returns the records, and one row per run of all measures."""
    rows = {name: [replace(job, knobs=knobs) for job in jobs] for name, jobs in settings.rows().items()}
    jobs = [job for group in rows.values() for job in group]
    store = open_data(jobs[0])
    records = run_grid(
        jobs,
        store,
        workers=settings.workers,
        scheduler=settings.scheduler,
        together=seeds_together(settings.device, settings.scheduler, settings.together),
        progress=progress,
    )
    ids = store.test.ids[:SEEN_VIDEOS]
    spoilt = torch.from_numpy(spoilt_segments(ids, jobs[0].simulator))
    names = [name for name, group in rows.items() for _ in group]
    frame = runs_frame(records)
    folders = [run_folder(job, store, job.seeds[0]) for job in jobs]
    measured = []
    for job, record, folder in zip(jobs, records, folders, strict=True):
        table = analyse(read_predictions(folder, record)[0], store.test)
        measured.append(behaviour(table).to_dict() | mechanism_of(job, store, record, spoilt))
    frame["system"] = names  # a reading is a row of its own
    return records, pd.concat([frame, pd.DataFrame(measured)], axis=1)


def compared(names: Sequence[str]) -> list[tuple[str, str]]:
    """Which rows are compared: each with HAN, SA's rows with the control that has two HANs and no SA, CM-PIE
    with +Seg Attention (what CMA adds) and its readings with it."""
    pairs = [(name, "han") for name in names]
    pairs += [("segment_attention", "two_hans"), ("cmpie", "segment_attention")]
    pairs += [(name, "cmpie") for name in names if name.startswith("cmpie ")]
    return [(a, b) for a, b in pairs if a != b and a in names and b in names]


# ---------- the report ----------


def controlled_report(settings: ControlledSettings, command: str, *, progress: bool = True) -> dict[str, Any]:
    """Run what is not there yet on every level of every knob, and report; or read what `stored` names.

    Raises:
        DataError: a stored report of something else. GridError: runs that failed; the others are kept.
    """
    if settings.stored:
        return read_study(Path(settings.stored))
    done: dict[SimConfig, tuple[list[RunRecord], pd.DataFrame]] = {}
    records, conditions, runs, differences = [], [], [], []
    for knob in settings.study:
        for level in levels_of(knob, SIZES[settings.preset]):
            turned = settings.condition(knob, level)
            key = override(SIZES[settings.preset], turned)
            if key not in done:  # knobs meet where none is turned
                done[key] = run_condition(settings, turned, progress)
            found, frame = done[key]
            records += found
            place = {"knob": knob, "level": level}
            conditions.append(place | condition_facts(knob, turned, frame))
            runs.append(frame.assign(**place))
            pairs = [paired(frame, *pair) for pair in compared(list(settings.rows()))]
            differences.append(pd.concat(pairs, ignore_index=True).assign(**place))
    columns = ["knob", "level", "system", "changed", "seed", "best_epoch", *SCORES, *MEASURED]
    return {
        "kind": KIND,
        "source": records[0]["data"]["source"],
        "preset": settings.preset,
        "epochs": settings.epochs,
        "seeds": sorted(settings.seeds),
        "overrides": dict(settings.overrides),
        "command": command,
        "machine": machines(records),
        "commits": sorted({str(record["environment"]["commit"]) for record in records}),
        "finished": max(record["finished"] for record in records),
        "conditions": split_of(pd.DataFrame(conditions)),
        "runs": split_of(pd.concat(runs, ignore_index=True)[columns]),
        "differences": split_of(pd.concat(differences, ignore_index=True)),
    }


def condition_facts(knob: str, turned: Mapping[str, Any], frame: pd.DataFrame) -> dict[str, str]:
    """What a report says of the data of one level: the knob's question, what is set, digest, videos."""
    changed = ",".join(f"{name}={value}" for name, value in sorted(turned.items()))
    first = frame.iloc[0]
    return {"question": QUESTIONS[knob], "set": changed, "sha256": first.digest, "videos": first.videos}


def study_report(settings: ControlledSettings, command: str) -> dict[str, Any] | None:
    """As `controlled_report`; None where `stored` names a file that is not there: not run here."""
    if settings.stored and not Path(settings.stored).exists():
        return None
    return controlled_report(settings, command)


def command_of(settings: ControlledSettings) -> str:
    """The command that makes the report of these settings, in the project's root."""
    words = ["python", "-m", "cmpie_lite", "controlled"]
    default = ControlledSettings()
    for f in fields(ControlledSettings):
        value, option = getattr(settings, f.name), "--" + f.name.replace("_", "-")
        usual = getattr(default, f.name)
        same = list(value) == list(usual) if isinstance(value, list | tuple) else value == usual
        if same or f.name in ("stored", "dataset", "data_dir"):
            continue
        if isinstance(value, Mapping):
            option = {"overrides": "--set", "knobs": "--knobs"}[f.name]
            words += [option, *(f"{name}={one}" for name, one in value.items())]
        elif isinstance(value, bool):
            words.append(option)
        elif isinstance(value, list | tuple):
            words += [option, *map(str, value)]
        else:
            words += [option, str(value)]
    return shlex.join(words)


# ---------- command line ----------


def add_words(top: argparse.ArgumentParser) -> None:
    """Add the words of `python -m cmpie_lite controlled` that no other command has."""
    default = ControlledSettings()
    knobs = "; ".join(f"{name}: {question}" for name, question in QUESTIONS.items())
    top.add_argument("--study", nargs="+", default=list(default.study), help=f"knobs to turn. {knobs}")
    top.add_argument("--systems", nargs="+", default=list(default.systems), help="rows of Table 2, or others")
    top.add_argument("--readings", nargs="*", default=list(default.readings), metavar="FIELD=VALUE",
                     help="CM-PIE by other readings, as rows more")  # fmt: skip
    top.add_argument("--test-videos", type=int, default=default.test_videos)
    top.add_argument("--seeds", type=int, nargs="+", default=list(default.seeds))
    top.add_argument("--preset", default=default.preset, help=f"size of LLP-sim: {', '.join(SIZES)}")


def run(options: argparse.Namespace, overrides: Mapping[str, Any], command: str) -> int:
    """Run the study and write its report.

    Raises:
        ConfigError: impossible settings. GridError: runs that failed; the others are kept.
    """
    given = {f.name: getattr(options, f.name) for f in fields(ControlledSettings) if hasattr(options, f.name)}
    settings = ControlledSettings(**known_fields(ControlledSettings, given | {"overrides": overrides}))
    path = options.report or output_folder(settings.output_dir) / "when_it_helps.json"
    check_writable(path.parent, path.name)
    report = controlled_report(settings, command)
    replace_file(path, (json.dumps(report, indent=1, allow_nan=False) + "\n").encode())
    print(f"report: {path}")
    return 0
