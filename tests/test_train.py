"""The eager loop: repeatable to the bit, resumable at any moment, clear about what it cannot do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import Predictions, decode
from cmpie_lite.errors import CheckpointError, ConfigError, DataError, WriteError
from cmpie_lite.experiments.record import write_record
from cmpie_lite.support import files
from cmpie_lite.support.fields import override
from cmpie_lite.support.files import PART
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.checkpoint import BEST, LAST, read_checkpoint, write_checkpoint
from cmpie_lite.training.evaluate import evaluate, predict
from cmpie_lite.training.loop import learning_rate, load_model, train
from cmpie_lite.training.seeds import train_seeds
from tests.making import ROOT, TINY, planted_store, subset

SMALLEST = override(ModelConfig(), TINY)
RECIPE = TrainConfig(epochs=3, batch_size=16, learning_rate=1e-3)


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return planted_store()


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def without_time(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def test_planted_events_are_learned(store: FeatureStore) -> None:
    recipe = TrainConfig(epochs=30, batch_size=10, learning_rate=3e-3, lr_step=20)
    run = train(override(SYSTEMS["han"].config, {"dim": 32, "ffn_dim": 32}), recipe, store)
    assert run.history[-1]["loss"] < 0.3 * run.history[0]["loss"]
    assert evaluate(run.model, store.test).segment_type > 0.6


def test_a_seed_repeats_to_the_bit_and_another_seed_does_not(store: FeatureStore) -> None:
    one, again = train(SMALLEST, RECIPE, store), train(SMALLEST, RECIPE, store)
    other = train(SMALLEST, override(RECIPE, {"seed": 2}), store)
    assert same(one.model, again.model)
    assert without_time(one.history) == without_time(again.history)
    assert not same(one.model, other.model)


def test_the_callers_random_state_is_left_alone(store: FeatureStore) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(SMALLEST, override(RECIPE, {"epochs": 1}), store)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("stop", [1, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(store: FeatureStore, tmp_path: Path, stop: int) -> None:
    whole = train(SMALLEST, RECIPE, store, folder=tmp_path / "whole")
    train(SMALLEST, override(RECIPE, {"epochs": stop}), store, folder=tmp_path / "halves")
    halves = train(SMALLEST, RECIPE, store, folder=tmp_path / "halves")
    assert same(whole.model, halves.model)
    assert without_time(whole.history) == without_time(halves.history)
    assert whole.best_epoch == halves.best_epoch
    a = read_checkpoint(tmp_path / "whole" / LAST).tensors
    b = read_checkpoint(tmp_path / "halves" / LAST).tensors
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


KILLED = """
    import sys
    from pathlib import Path
    from cmpie_lite.config import ModelConfig, TrainConfig
    from tests.making import TINY, planted_store
    from cmpie_lite.support.fields import override
    from cmpie_lite.training.loop import train
    import torch
    torch.set_num_threads(1)
    recipe = TrainConfig(epochs=30, batch_size=16, learning_rate=1e-3)
    train(override(ModelConfig(), TINY), recipe, planted_store(), folder=Path(sys.argv[1]))
"""


def test_a_killed_run_ends_like_one_never_killed(store: FeatureStore, tmp_path: Path) -> None:
    """SIGKILL at two moments that nobody chose, then go on: the same bits as an uninterrupted run."""
    recipe = override(RECIPE, {"epochs": 30})
    done = 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), tmp_path / "killed"], cwd=ROOT
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            here = epochs_saved(tmp_path / "killed")
            if here >= done + 2:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = epochs_saved(tmp_path / "killed")
    assert 0 < done < 30, "the run was not interrupted, so this test shows nothing"
    resumed = train(SMALLEST, recipe, store, folder=tmp_path / "killed")
    whole = train(SMALLEST, recipe, store)
    assert same(resumed.model, whole.model)
    assert without_time(resumed.history) == without_time(whole.history)


def epochs_saved(folder: Path) -> int:
    if not (folder / LAST).exists():
        return 0
    return len(read_checkpoint(folder / LAST)[1]["history"])


def test_the_best_epoch_is_kept_and_loads(store: FeatureStore, tmp_path: Path) -> None:
    run = train(SMALLEST, RECIPE, store, folder=tmp_path)
    types = [row["segment_type"] for row in run.history]
    assert run.best_epoch == max(i for i, x in enumerate(types, 1) if x == max(types))
    model, facts = load_model(tmp_path)
    assert facts["epoch"] == run.best_epoch
    assert same(model, run.model)
    assert evaluate(model, store.val).segment_type == pytest.approx(max(types), abs=1e-12)


def test_learning_rate_drops_after_ten_epochs() -> None:
    rates = [learning_rate(TrainConfig(), epoch) for epoch in (0, 9, 10, 19, 20, 39)]
    assert rates == pytest.approx([3e-4, 3e-4, 3e-5, 3e-5, 3e-6, 3e-7])


@pytest.mark.parametrize(
    ("changes", "tolerance"), [({"precision": "bfloat16"}, 0.02), ({"precision": "tf32"}, 1e-4)]
)
def test_a_precision_reproduces_the_eager_loop(store: FeatureStore, changes: dict, tolerance: float) -> None:
    config = override(SMALLEST, {"dropout": 0.0})
    plain, fast = train(config, RECIPE, store), train(config, override(RECIPE, changes), store)
    for a, b in zip(plain.history, fast.history, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=tolerance)


def test_decoding_gates_segments_by_the_video() -> None:
    video = torch.tensor([[0.5, 0.49]])
    segments = torch.full((1, 10, 2, 2), 0.5)
    segments[0, 3, 1] = 0.4
    audio, visual = decode(Predictions(video, video, video, segments))
    assert audio[0, :, 0].all()
    assert not audio[0, :, 1].any()
    assert visual[0, :, 0].tolist() == [t != 3 for t in range(10)]
    with pytest.raises(ValueError, match=r"threshold = 1\.5"):
        decode(Predictions(video, video, video, segments), 1.5)


def test_prediction_does_not_depend_on_the_batch_size(store: FeatureStore) -> None:
    model = train(SMALLEST, override(RECIPE, {"epochs": 1}), store).model
    for a, b in zip(predict(model, store.test, 1), predict(model, store.test, 64), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="batch_size = 0"):
        predict(model, store.test, 0)


def test_impossible_recipes_are_refused(store: FeatureStore) -> None:
    with pytest.raises(ConfigError, match="batch_size = 0, expected an integer >= 1"):
        TrainConfig(batch_size=0)
    with pytest.raises(ConfigError, match="only 100 training videos"):
        train(SMALLEST, override(RECIPE, {"batch_size": 101}), store)
    with pytest.raises(ConfigError, match="this machine has"):
        train(SMALLEST, RECIPE, store, device="cuda:7")
    with pytest.raises(ConfigError, match="'gpu', expected auto, cpu, cuda"):
        train(SMALLEST, RECIPE, store, device="gpu")


def test_a_data_set_without_a_class_is_refused(store: FeatureStore) -> None:
    rows = [i for i in range(100) if not store.train.weak[i, 3]]
    with pytest.raises(DataError, match="Dog"):
        train(
            SMALLEST, RECIPE, FeatureStore(subset(store.train, rows), store.val, store.test, source="planted")
        )


def test_a_loss_that_is_no_number_stops_the_run(store: FeatureStore, tmp_path: Path) -> None:
    """Features that are finite, and large enough for their squares not to be."""
    wild = replace(store.train, audio=1e30 * store.train.audio)
    planted = FeatureStore(wild, store.val, store.test, source="planted")
    with pytest.raises(ConfigError, match=r"the mean loss of epoch 1 is nan, with learning_rate = "):
        train(SMALLEST, RECIPE, planted, folder=tmp_path)
    with pytest.raises(ConfigError, match=r"the mean loss of epoch 1 is nan"):
        train_seeds(SMALLEST, RECIPE, planted, [1, 2])
    assert not os.listdir(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path, {"loss": float("nan")})


def test_what_cannot_be_saved_or_scored_is_said_before_the_first_epoch(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cmpie_lite.training.loop.train_epoch", lambda *_: pytest.fail("an epoch was trained")
    )
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"cannot be written .*another folder"):
        train(SMALLEST, RECIPE, store, folder=tmp_path / "file" / "run")
    blind = FeatureStore(
        store.train, replace(store.val, dense_audio=None, dense_visual=None), store.test, source="planted"
    )
    with pytest.raises(DataError, match="dense labels"):
        train(SMALLEST, RECIPE, blind)


def test_a_training_state_is_not_taken_for_a_model(store: FeatureStore, tmp_path: Path) -> None:
    train(SMALLEST, override(RECIPE, {"epochs": 1}), store, folder=tmp_path)
    with pytest.raises(
        CheckpointError, match=rf"{LAST} does not hold the parameters of ModelConfig: .*{BEST}"
    ):
        load_model(tmp_path / LAST)


def test_lost_best_weights_are_written_again(store: FeatureStore, tmp_path: Path) -> None:
    train(SMALLEST, RECIPE, store, folder=tmp_path)
    tensors, facts, _ = read_checkpoint(tmp_path / BEST)
    (tmp_path / BEST).unlink()
    train(SMALLEST, RECIPE, store, folder=tmp_path)
    again, same_facts, _ = read_checkpoint(tmp_path / BEST)
    assert same_facts == facts
    assert all(torch.equal(x, again[name]) for name, x in tensors.items())


def test_a_folder_of_another_run_is_refused_and_kept(store: FeatureStore, tmp_path: Path) -> None:
    train(SMALLEST, RECIPE, store, folder=tmp_path)
    before = (tmp_path / LAST).read_bytes()
    with pytest.raises(CheckpointError, match="another run"):
        train(SMALLEST, override(RECIPE, {"seed": 9}), store, folder=tmp_path)
    with pytest.raises(CheckpointError, match="3 epochs, not 2"):
        train(SMALLEST, override(RECIPE, {"epochs": 2}), store, folder=tmp_path)
    assert (tmp_path / LAST).read_bytes() == before


@pytest.mark.parametrize("fault", ["truncated", "flipped", "renamed", "foreign", "empty", "missing"])
def test_a_corrupt_checkpoint_is_named(store: FeatureStore, tmp_path: Path, fault: str) -> None:
    train(SMALLEST, override(RECIPE, {"epochs": 1}), store, folder=tmp_path)
    path = tmp_path / BEST
    content = path.read_bytes()
    if fault == "truncated":
        path.write_bytes(content[:-100])
    elif fault == "flipped":
        path.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    elif fault == "renamed":
        assert b"planted" in content
        path.write_bytes(content.replace(b"planted", b"LLP    "))
    elif fault == "foreign":
        path.write_bytes(b"PK\x03\x04 not a safetensors file")
    elif fault == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    with pytest.raises(CheckpointError, match=BEST):
        load_model(tmp_path)


FULL_DISK = """
    import resource, sys, signal
    from pathlib import Path
    import torch
    from cmpie_lite.training.checkpoint import write_checkpoint
    from cmpie_lite.errors import WriteError
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        write_checkpoint(Path(sys.argv[1]), {"x": torch.ones(100_000)}, {})
    except WriteError as error:
        print(error)
"""


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The system refuses to write past 100 kB: the old checkpoint stays, no partial file is left."""
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, {"x": torch.zeros(3)}, {"epoch": 1})
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), path],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "cannot be written (File too large" in done.stdout
    assert "MB free" in done.stdout
    assert read_checkpoint(path)[1] == {"epoch": 1}
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_a_killed_writer_leaves_nothing_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    old, young = (tmp_path / f".{path.name}-{name}{PART}" for name in ("killed", "living"))
    for partial in (old, young):
        partial.touch()
    os.utime(young, (0, 0))  # a clock says nothing: two machines' may differ by an hour
    held = files.hold(young, wait=False)
    assert held is not None
    write_checkpoint(path, {"x": torch.zeros(3)}, {})
    assert set(os.listdir(tmp_path)) == {path.name, young.name}, "the young one has a writer that lives"
    os.close(held)
    files.check_writable(tmp_path)  # a run begins by sweeping its folder
    assert os.listdir(tmp_path) == [path.name]


def test_another_process_may_try_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that begin the same run: the other one has removed the file that this one tried with."""
    monkeypatch.setattr(files, "replace_file", lambda *_: None)
    files.check_writable(tmp_path)


def test_checkpoints_hold_no_pickle(store: FeatureStore, tmp_path: Path) -> None:
    train(SMALLEST, override(RECIPE, {"epochs": 1}), store, folder=tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([BEST, LAST])
    content = (tmp_path / LAST).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["facts"])["recipe"]["epochs"] == 1
