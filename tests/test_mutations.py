"""Altered files of every kind: each is one clear error of ours or harmless, none slow, none large.

Bytes are changed anywhere; and, behind a checksum that is right, what the JSON says is exchanged for what no
writer of ours says. All of it is drawn from a seed.
"""

from __future__ import annotations

import json
import random
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.data.store_files import MANIFEST, open_store
from cmpie_lite.errors import CheckpointError, ConfigError, DataError, ReadError
from cmpie_lite.experiments.record import RECORD, read_record, write_record
from cmpie_lite.experiments.run_files import PREDICTIONS, read_predictions, write_predictions
from cmpie_lite.results.report_files import read_report, write_report
from cmpie_lite.results.report_form import frame_of
from cmpie_lite.results.reports import about, caution, made_by, make_report, runs_frame
from cmpie_lite.support.fields import override
from cmpie_lite.support.tensor_files import digest, write_tensors
from cmpie_lite.training.checkpoint import (
    BEST,
    FORMAT,
    LAST,
    facts_of,
    read_checkpoint,
    resume,
    write_checkpoint,
)
from cmpie_lite.training.evaluate import predict
from cmpie_lite.training.loop import load_model, new_model, train
from tests.making import TINY, split_file, tiny_split, write_store
from tests.making_mutations import altered_bytes, altered_json, text_of
from tests.making_reports import readings_report, record

OURS = (DataError, CheckpointError, ConfigError, ReadError)
CONFIG = override(ModelConfig(), {"dim": 8, "ffn_dim": 8, "streams": 1, "segment_attention": False})
RECIPE = TrainConfig(epochs=1, batch_size=16)
MEGABYTES = 1000


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return FeatureStore(tiny_split(32, 0), tiny_split(2, 1), tiny_split(2, 2), source="random numbers")


@pytest.fixture(scope="module")
def whole(store: FeatureStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole file of every kind."""
    folder = tmp_path_factory.mktemp("whole")
    run = train(CONFIG, RECIPE, store, folder=folder)
    write_predictions(folder, predict(run.model, store.test), store.test.ids, store.source)
    write_record(folder, record("han", 1, 0.5) | {"history": run.history})
    write_report(folder / "report.json", readings_report({("heads", 4): 0.01}, seeds=2, **TINY))
    write_store(
        folder / "store", FeatureStore(tiny_split(2, 3), store.val, store.test, source="random numbers")
    )
    return folder


def check(read: Callable[[], Any]) -> bool:
    """Whether what was altered is refused, by one clear error of ours; else it is read, and harmless."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    said = ""
    try:
        read()
    except OURS as error:
        said = str(error) or "nothing"
    assert time.process_time() - start < 5
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < MEGABYTES * 10**6
    assert "delete" not in said.lower()
    assert not said or 10 < len(said) < 1000, said[:2000]
    return bool(said)


def read_run(folder: Path, store: FeatureStore) -> None:
    model, _ = load_model(folder / BEST)
    predict(model, store.test)


def go_on(folder: Path, store: FeatureStore) -> None:
    model = new_model(CONFIG, RECIPE.seed)
    optimizer = torch.optim.Adam(model.parameters())
    resume(folder, model, optimizer, facts_of(CONFIG, RECIPE, store))


def report_on(folder: Path) -> None:
    found = read_record(folder / RECORD)
    frame = runs_frame([found])
    about(frame), caution(frame)
    make_report([found], [], "a command")


def show_report(path: Path) -> None:
    report = read_report(path)
    about(frame_of(report["runs"])), made_by(report)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        (BEST, 300),
        (LAST, 200),
        (PREDICTIONS, 400),
        (RECORD, 300),
        (MANIFEST, 300),
        ("test", 300),
        ("report.json", 60),
    ],
)
def test_altered_bytes(whole: Path, store: FeatureStore, tmp_path: Path, name: str, count: int) -> None:
    reads: dict[str, Callable[[], Any]] = {
        BEST: lambda: read_run(tmp_path, store),
        LAST: lambda: go_on(tmp_path, store),
        PREDICTIONS: lambda: read_predictions(tmp_path),
        RECORD: lambda: report_on(tmp_path),
        MANIFEST: lambda: open_store(whole / "store"),
        "test": lambda: open_store(whole / "store", verify=True),
        "report.json": lambda: show_report(tmp_path / name),
    }
    stored = {MANIFEST: whole / "store" / MANIFEST, "test": split_file(whole / "store", "test")}
    source = stored.get(name, whole / name)
    target, content, rng = stored.get(name, tmp_path / name), source.read_bytes(), random.Random(name)
    refused = 0
    try:
        for _ in range(count):
            altered = altered_bytes(rng, content)
            target.write_bytes(altered)
            was_refused = check(reads[name])
            refused += was_refused
            if name in (BEST, LAST, PREDICTIONS, "test") and altered != content:
                assert was_refused, "a checksum lets nothing pass"
    finally:
        target.write_bytes(content)
    assert refused > count / 3


@pytest.mark.parametrize(("name", "count"), [(RECORD, 500), (MANIFEST, 400), ("report.json", 100)])
def test_altered_json(whole: Path, tmp_path: Path, name: str, count: int) -> None:
    reads: dict[str, Callable[[], Any]] = {
        RECORD: lambda: report_on(tmp_path),
        MANIFEST: lambda: open_store(whole / "store"),
        "report.json": lambda: show_report(tmp_path / name),
    }
    source = whole / "store" / MANIFEST if name == MANIFEST else whole / name
    target = source if name == MANIFEST else tmp_path / name
    content, rng = source.read_bytes(), random.Random(name)
    refused = 0
    try:
        for _ in range(count):
            target.write_bytes(text_of(rng, altered_json(rng, json.loads(content))))
            refused += check(reads[name])
    finally:
        target.write_bytes(content)
    assert refused > count / 2


@pytest.mark.parametrize(("name", "count"), [(BEST, 300), (LAST, 200)])
def test_altered_facts_and_tensors_behind_a_right_checksum(
    whole: Path, store: FeatureStore, tmp_path: Path, name: str, count: int
) -> None:
    tensors, facts, _ = read_checkpoint(whole / name)
    rng, refused = random.Random(name), 0
    for _ in range(count):
        found, said = dict(tensors), facts
        one = rng.choice(list(found))
        match rng.randrange(8):
            case 0:
                found[one] = found[one].to(
                    rng.choice((torch.float64, torch.float16, torch.int64, torch.bool))
                )
            case 1:
                found[one] = torch.full_like(found[one], rng.choice((float("nan"), float("inf"))))
            case 2:
                found[one] = found[one].reshape(-1)[:-1].clone()
            case 3:
                del found[one]
            case _:
                said = altered_json(rng, facts)
        write_checkpoint(tmp_path / name, found, said)
        refused += check(lambda: read_run(tmp_path, store) if name == BEST else go_on(tmp_path, store))
    assert refused > count / 2


@pytest.mark.parametrize(
    "change", [{"han_layers": 10**6}, {"dim": 10**6}, {"ffn_dim": 10**6}, {"sa_layers": 10**6}, {"dim": 8192}]
)
def test_a_config_of_a_file_cannot_ask_for_more_than_the_file_holds(
    whole: Path, store: FeatureStore, tmp_path: Path, change: dict[str, int]
) -> None:
    tensors, facts, _ = read_checkpoint(whole / BEST)
    write_checkpoint(tmp_path / BEST, tensors, facts | {"config": facts["config"] | change})
    assert check(lambda: read_run(tmp_path, store))


@pytest.mark.parametrize("name", [RECORD, MANIFEST, "report.json", BEST])
def test_a_name_that_stands_twice_is_refused(
    whole: Path, store: FeatureStore, tmp_path: Path, name: str
) -> None:
    """Python keeps the last of two values, other readers the first: nobody knows which was meant."""
    inside = whole / "store" / MANIFEST if name == MANIFEST else tmp_path / name
    if name == BEST:
        tensors, facts, _ = read_checkpoint(whole / BEST)
        text = doubled(json.dumps(facts))
        write_tensors(inside, tensors, {"format": FORMAT, "facts": text, "sha256": digest(tensors, text)})
    else:
        content = (whole / "store" / MANIFEST if name == MANIFEST else whole / name).read_bytes()
        inside.write_text(doubled(content.decode()))
    reads: dict[str, Callable[[], Any]] = {
        RECORD: lambda: read_record(inside),
        MANIFEST: lambda: open_store(whole / "store"),
        "report.json": lambda: read_report(inside),
        BEST: lambda: read_run(tmp_path, store),
    }
    try:
        with pytest.raises(OURS, match="stands more than once in one object"):
            reads[name]()
    finally:
        if name == MANIFEST:
            inside.write_bytes(content)


def doubled(text: str) -> str:
    """The text of a JSON object, in which the first name with a plain value stands twice."""
    pair = re.search(r'"[^"]+": ("[^"]*"|[0-9.]+)', text)
    assert pair
    return text.replace(pair[0], f"{pair[0]}, {pair[0]}", 1)
