"""What splits and stores refuse: wrong shapes and names, videos in two splits, numbers that are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cmpie_lite.data.trainable import check_finite, check_trainable
from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASSES
from tests.making import (
    some_split,
    some_store,
)

BAD_SPLITS = {
    "shape": ({"audio": torch.zeros(2, 10, 127)}, r"audio has shape \(2, 10, 127\), expected \(2, 10, 128\)"),
    "not pooled": ({"visual_2d": torch.zeros(2, 80, 2048)}, r"visual_2d has shape \(2, 80, 2048\)"),
    "count": ({"visual_3d": torch.zeros(3, 10, 512)}, r"visual_3d has shape \(3, 10, 512\)"),
    "dtype": ({"audio": torch.zeros(2, 10, 128, dtype=torch.float64)}, r"audio is torch.float64, expected"),
    "float labels": ({"weak": torch.zeros(2, 25)}, r"weak is torch.float32, expected a tensor of torch.bool"),
    "numpy": ({"weak": np.zeros((2, 25), dtype=bool)}, r"weak is ndarray"),
    "class before time": (
        {"dense_audio": torch.zeros(2, 25, 10, dtype=torch.bool)},
        r"dense_audio has shape",
    ),
    "one modality": ({"dense_audio": None}, r"one modality only"),
    "twice": ({"ids": ("a", "a")}, r"'a' occurs 2 times"),
    "list": ({"ids": ["a", "b"]}, r"expected a tuple"),
    "empty id": ({"ids": ("a", "")}, r"non-empty"),
    "no video": ({"ids": ()}, r"without a video"),
}


@pytest.mark.parametrize("case", BAD_SPLITS)
def test_split_refuses(case: str) -> None:
    changes, message = BAD_SPLITS[case]
    with pytest.raises(DataError, match=message):
        replace(some_split("s", 2), **changes)


def test_store_refuses_a_video_in_two_splits_and_no_source() -> None:
    store = some_store()
    with pytest.raises(DataError, match=r"'train_0_0' is in train and in val"):
        replace(store, val=store.train)
    with pytest.raises(DataError, match="source = ' '"):
        replace(store, source=" ")


@pytest.mark.parametrize(
    "source", ["<img src=x onerror=alert(1)>", "a\nb", "a\x1b[31m", "[a](b)", "`a`", "a" * 201, "\ud800"]
)
def test_a_store_refuses_a_source_that_is_more_than_a_name(source: str) -> None:
    with pytest.raises(DataError, match="source") as caught:
        replace(some_store(), source=source)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "bad",
    ["<b>", "a/b", "../etc", "..", ".", "a\nb", "a\x00", " a", "a" * 201, "a:b", "\ud800", "a" * 50_000],
)
def test_a_split_refuses_an_id_that_is_more_than_a_name(bad: str) -> None:
    with pytest.raises(DataError, match="expected 1 to 200 letters") as caught:
        replace(some_split("s", 2), ids=("a", bad))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("good", ["-3M-k4nIYIM_30_40", "a", "_b", "\u00e9t\u00e9 1.5", "a" * 200])
def test_a_split_takes_ids_as_people_have_them(good: str) -> None:
    assert replace(some_split("s", 2), ids=("x", good)).ids == ("x", good)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["audio", "visual_2d", "visual_3d"])
def test_non_finite_features_are_named(name: str, value: float) -> None:
    store = some_store()
    getattr(store.val, name)[1, 7, 3] = value
    with pytest.raises(DataError, match=f"{name} of video 'val_0_1' is not finite"):
        check_finite(store.val)


def test_training_needs_every_class() -> None:
    split = some_split("s", 3)
    every = replace(split, weak=torch.ones_like(split.weak))
    check_trainable(every)
    without = every.weak.clone()
    without[:, [3, 24]] = False
    with pytest.raises(
        DataError, match=f"2 of 25 classes have no training example: {CLASSES[3]}, {CLASSES[24]}"
    ):
        check_trainable(replace(split, weak=without))
    with pytest.raises(DataError, match="None of the 3 training videos has a weak label"):
        check_trainable(replace(split, weak=torch.zeros_like(split.weak)))
    every.audio[2, 0, 0] = float("nan")
    with pytest.raises(DataError, match="not finite"):
        check_trainable(every)
