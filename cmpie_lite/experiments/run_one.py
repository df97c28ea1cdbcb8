"""One experiment: train, test and record a model for each seed, each in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import Predictions
from cmpie_lite.experiments.record import origin_of, run_record, write_predictions, write_record
from cmpie_lite.experiments.settings import Settings, run_folder
from cmpie_lite.support.devices import check_device
from cmpie_lite.training.evaluate import predict, score
from cmpie_lite.training.loop import Run, check_batch, train


@dataclass(frozen=True)
class Result:
    """One seed's outcome."""

    seed: int
    run: Run
    predictions: Predictions  # on the test split
    record: dict[str, Any]


def run_experiment(settings: Settings, store: FeatureStore, *, progress: bool = False) -> list[Result]:
    """Train and test one model a seed; each leaves record, predictions and checkpoints in its own folder.

    A seed whose folder holds a finished or interrupted run of the same settings goes on from there.
    """
    device = check_device(settings.device)
    store.test.truth()  # raises where the runs could not be scored
    results = []
    for seed in settings.seeds:
        recipe = settings.recipe(seed)
        check_batch(recipe, store.train)
        folder = run_folder(settings, store, seed)
        run = train(settings.config, recipe, store, device=device, folder=folder, progress=progress)
        predictions = predict(run.model, store.test)
        scores = score(predictions, store.test)
        record = run_record(settings.model, settings.config, recipe, store, run, scores, device)
        record |= origin_of(folder, record)
        write_predictions(folder, predictions, store.test.ids, store.source)
        write_record(folder, record)
        results.append(Result(seed, run, predictions, record))
    return results
