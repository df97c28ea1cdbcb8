"""One experiment: train, test and record a model for each seed, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import Predictions
from cmpie_lite.errors import WriteError
from cmpie_lite.experiments.record import RECORD, RunRecord, origin_of, run_record, write_record
from cmpie_lite.experiments.run_files import PREDICTIONS, write_predictions
from cmpie_lite.experiments.settings import Settings, run_folder
from cmpie_lite.support.devices import check_device
from cmpie_lite.support.fields import as_told_of
from cmpie_lite.support.files import check_writable, sweep
from cmpie_lite.support.turns import one_at_a_time
from cmpie_lite.training.checkpoint import best_digest, facts_of
from cmpie_lite.training.evaluate import predict, score
from cmpie_lite.training.loop import Run, check_batch, train


@dataclass(frozen=True)
class Result:
    """One seed's outcome."""

    seed: int
    run: Run
    predictions: Predictions  # on the test split
    record: RunRecord


def run_experiment(settings: Settings, store: FeatureStore, *, progress: bool = False) -> list[Result]:
    """Train and test one model per seed; each leaves record, predictions and checkpoints in its own folder.

    A seed whose folder holds a finished or interrupted run of the same settings goes on from there; one that
    another process is at is waited for.

    Args:
        settings: what to train, with which seeds, and where the folders are.
        store: the data, whatever the settings say of them.
        progress: show a bar of the steps.

    Raises:
        DataError: the test split has no labels to score against, or as `train`.
        ConfigError, CheckpointError, WriteError: as `train`.
    """
    store.test.truth()  # raises where the runs could not be scored
    check_device(settings.device)
    check_batch(settings.recipe(settings.seeds[0]), store.train)
    results = []
    for seed in settings.seeds:
        folder, recipe = run_folder(settings, store, seed), settings.recipe(seed)
        with as_told_of("output_dir", WriteError), one_at_a_time(folder):
            check_writable(folder, RECORD, PREDICTIONS)
            run = train(
                settings.config, recipe, store, device=settings.device, folder=folder, progress=progress
            )
            results.append(finish_run(settings, store, seed, run))
    return results


def finish_run(
    settings: Settings, store: FeatureStore, seed: int, run: Run, together: Sequence[int] = ()
) -> Result:
    """Test a trained run and write its predictions and its record into its folder.

    Args:
        settings: what was trained.
        store: the data it was trained on; the test split is scored.
        seed: which of the settings' runs this is.
        run: what training gave; its model says on which device that was.
        together: the seeds that were trained at once, where it was not trained alone.
    """
    folder, recipe = run_folder(settings, store, seed), settings.recipe(seed)
    device = next(run.model.parameters()).device
    predictions = predict(run.model, store.test)
    scores = score(predictions, store.test)
    record = run_record(settings.model, settings.config, recipe, store, run, scores, device)
    if origin := origin_of(folder, record["history"]):  # the same run, opened again
        record["environment"], record["finished"] = origin
    if together:  # with dropout a run is a function of this list
        record["together"] = list(together)
    facts = facts_of(settings.config, recipe, store)
    record["files"] = {
        "weights": best_digest(facts, run.best_epoch, run.model.state_dict()),
        "predictions": write_predictions(folder, predictions, store.test.ids, store.source),
    }
    write_record(folder, record)
    sweep(folder)
    return Result(seed, run, predictions, record)
