"""The commands that need no video: train and evaluate, from their words to what they print."""

from __future__ import annotations

import argparse
from dataclasses import replace

from cmpie_lite.decoding import DecodeConfig
from cmpie_lite.errors import DataError
from cmpie_lite.experiments.run_files import so_far
from cmpie_lite.experiments.run_one import run_experiment
from cmpie_lite.experiments.settings import Settings, open_data, run_folder, settings_from, store_folder
from cmpie_lite.experiments.words import DEFAULTS, assignments
from cmpie_lite.metrics import ParsingScores
from cmpie_lite.results.metric_tables import trivial_references
from cmpie_lite.support.text import printable
from cmpie_lite.training.evaluate import predict, score, score_by_protocol
from cmpie_lite.training.loop import load_model


def run_train(options: argparse.Namespace) -> int:
    """Train, test and record one model per seed."""
    names = ("model", "epochs", "seeds", "precision", "output_dir", "dataset", "data_dir", "preset", "device")
    given = {"overrides": assignments(options.set), "knobs": assignments(options.knobs, "--knobs")}
    settings = settings_from({name: getattr(options, name) for name in names} | given)
    store = open_data(settings)
    print(banner(store.source, settings))
    for result in run_experiment(settings, store, progress=True):
        seconds, epoch = result.record["seconds"], result.record["best_epoch"]
        print(f"\n{settings.model}, seed {result.seed}: best epoch {epoch}, {seconds:.0f} s of training")
        print(table({"test": ParsingScores(**result.record["test"])}))
        print(f"record: {run_folder(settings, store, result.seed) / 'record.json'}")
    return 0


def run_evaluate(options: argparse.Namespace) -> int:
    """Score a trained model on a split, beside the trivial references."""
    how = DecodeConfig(options.gate, options.threshold, options.threshold)  # now, not after the predictions
    model, facts = load_model(options.run_dir, options.device)
    if note := so_far(options.run_dir, facts.get("epoch")):
        print(printable(f"note: {note}"))
    settings = replace(DEFAULTS, dataset=options.dataset, data_dir=options.data_dir, preset=options.preset)
    store = open_data(settings)
    print(banner(store.source, settings))
    if facts.get("data") != store.digest:
        print("note: this model was trained on other data than it is scored on here.")
    split = store.splits[options.split]
    if split.dense_audio is None or split.dense_visual is None:
        raise DataError(f"the {options.split} split has no dense labels to score against.")
    predictions = predict(model, split)
    scores = {"model": score(predictions, split, how)}
    if options.protocols:
        scores |= {f"as {name}": x for name, x in score_by_protocol(predictions, split).items()}
    references = trivial_references(split.weak, split.dense_audio, split.dense_visual)
    print(table(scores | references))
    return 0


def banner(source: str, settings: Settings) -> str:
    """The data source, loud where it is not LLP; the preset where the data were simulated just now."""
    if source == "LLP":
        return "data: LLP"
    size = "" if store_folder(settings) else f", preset {settings.preset}"
    return f"data: {source}{size}.  THIS IS NOT LLP: its scores say nothing about the paper's."


def table(rows: dict[str, ParsingScores]) -> str:
    """The ten scores in percent, segment level above event level."""
    kinds = ("audio", "visual", "av", "type", "event")
    lines = [f"{'':28}" + "".join(f"{kind:>8}" for kind in kinds)]
    for name, scores in rows.items():
        for level in ("segment", "event"):
            values = (100 * scores.as_dict()[f"{level}_{kind}"] for kind in kinds)
            lines.append(f"{name + ' ' + level:28}" + "".join(f"{value:8.1f}" for value in values))
    return "\n".join(lines)
