"""Rendered clips are what their annotations say; a parser trained on some of them parses the others."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import DataError, WriteError
from cmpie_lite.events import Event
from cmpie_lite.labels import CLASSES, NUM_SEGMENTS
from cmpie_lite.results.metric_tables import trivial_references
from cmpie_lite.support.fields import override
from cmpie_lite.support.files import file_hash
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.evaluate import evaluate
from cmpie_lite.training.loop import train
from data_fetch.__main__ import main
from data_fetch.render.clips import render_clip, render_set
from data_fetch.render.scenes import Scene, make_scene

COUNTS = {"train": 3, "val": 2, "test": 2}


def roll(events: tuple[Event, ...], label: str) -> list[bool]:
    return [any(e.onset <= t < e.offset for e in events if e.label == label) for t in range(NUM_SEGMENTS)]


def test_scenes_are_seeded_and_show_every_class_and_relation() -> None:
    scenes = [make_scene(0, n) for n in range(200)]
    assert scenes == [make_scene(0, n) for n in range(200)]
    assert scenes != [make_scene(1, n) for n in range(200)]
    for first, count in ((0, 13), (25, 13), (30_000, 13), (60_000, 13), (7, 25), (101, 25)):
        some = [make_scene(0, n) for n in range(first, first + count)]
        assert {e.label for s in some for e in s.audio + s.visual} == set(CLASSES)
    relations = set()
    for scene in scenes:
        labels = {e.label for e in scene.audio + scene.visual}
        assert 1 <= len(labels) <= 3
        for label in labels:
            heard, seen_ = roll(scene.audio, label), roll(scene.visual, label)
            relations.add((any(heard), any(seen_), heard == seen_))
        for event in scene.audio + scene.visual:
            assert 0 <= event.onset < event.offset <= NUM_SEGMENTS
    assert relations == {(True, True, True), (True, True, False), (True, False, False), (False, True, False)}


def test_rendering_again_keeps_what_is_there(tmp_path: Path) -> None:
    render_set(tmp_path / "a", COUNTS, size=16, fps=4.0, progress=False)
    render_set(tmp_path / "b", COUNTS, size=16, fps=4.0, progress=False)
    names = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(names) == 3 * 7 + 1 + 6
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    clip = tmp_path / "a" / "videos" / "render00000.mp4"
    clip.write_bytes(b"kept")
    (tmp_path / "a" / "videos" / "render00001.mp4").unlink()
    render_set(tmp_path / "a", COUNTS, size=16, fps=4.0, progress=False)
    assert clip.read_bytes() == b"kept"
    assert (tmp_path / "a" / "videos" / "render00001.mp4").is_file()


def test_a_clip_is_the_same_bytes_on_a_busy_machine(tmp_path: Path) -> None:
    """Twelve renderings of two clips, four at once; what made them differ is off in the file's own words."""

    def rendered(turn: int) -> tuple[int, str]:
        path = tmp_path / f"{turn}.mp4"
        render_clip(path, make_scene(0, turn % 2), size=32, fps=8.0, seconds=4.0)
        return turn % 2, file_hash(path)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(rendered, range(12)))
    assert len(set(made)) == 2
    settings = (tmp_path / "0.mp4").read_bytes()
    for option in (b" threads=1 ", b" lookahead_threads=1 ", b" mbtree=0 "):
        assert option in settings, option


@pytest.mark.parametrize("other", [{"seed": 1}, {"size": 18}, {"fps": 5.0}])
def test_clips_of_two_kinds_do_not_share_a_folder(tmp_path: Path, other: dict[str, Any]) -> None:
    """Otherwise the old clips would stand beside the labels of the new."""
    counts = dict.fromkeys(COUNTS, 1)
    options: dict[str, Any] = {"seed": 0, "size": 16, "fps": 4.0, "progress": False}
    render_set(tmp_path, counts, **options)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    held = r"holds 'rendered clips with pictures of seed 0, 16 x 16 pixels, 4\.0 frames .*another --out"
    with pytest.raises(DataError, match=held):
        render_set(tmp_path, counts, **options | other)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    render_set(tmp_path, COUNTS, **options)
    (tmp_path / "videos" / "source.txt").unlink()
    with pytest.raises(DataError, match=r"no source\.txt that says what they are"):
        render_set(tmp_path, counts, **options)


def test_impossible_clips_are_refused(tmp_path: Path) -> None:
    scene = Scene((), ())
    for wrong in ({"size": 15}, {"size": 0}, {"fps": 0.0}, {"fps": 1e9}, {"seconds": 0.0}, {"seed": -1}):
        with pytest.raises(DataError, match="expected an even size"):
            render_clip(tmp_path / "a.mp4", scene, **wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="seed = -1"):
        render_set(tmp_path, COUNTS, seed=-1)
    for counts in ({"train": 1}, COUNTS | {"val": 0}, COUNTS | {"test": 30_000}):
        with pytest.raises(DataError, match="1 to 29999 clips"):
            render_set(tmp_path, counts)
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"):
        render_clip(tmp_path / "file" / "a.mp4", scene)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_from_pixels_and_samples_to_scores(tmp_path: Path) -> None:
    """Rendered clips -> extract -> pack -> train on weak labels -> held-out clips, far above the references.

    The extractors are seeded random stand-ins, the parser a narrow HAN. It is told no class of a test clip,
    and beats the reference that is told them all, and claims each in both modalities from start to end.
    """
    clips, feats, packed = tmp_path / "clips", tmp_path / "feats", tmp_path / "packed"
    sizes = ["--train", "60", "--val", "6", "--test", "20", "--size", "96", "--fps", "8"]
    assert main(["render", "--out", str(clips), *sizes]) == 0
    tiny = ["--weights", "tiny", "--workers", "0"]
    assert main(["extract", str(clips / "videos"), "--out", str(feats), *tiny]) == 0
    labels = ["--annotations", str(clips / "annotations")]
    assert main(["pack", str(feats), *labels, "--out", str(packed)]) == 0
    store = open_store(packed)
    made = "rendered clips with pictures of seed 0, 96 x 96 pixels, .*, RANDOM extractors"
    assert re.match(made, store.source)
    recipe = TrainConfig(epochs=50, batch_size=4, lr_step=50)
    run = train(override(SYSTEMS["han"].config, {"dim": 128, "ffn_dim": 128}), recipe, store)
    scores = evaluate(run.model, store.test)
    test = store.test
    assert test.dense_audio is not None
    assert test.dense_visual is not None
    references = trivial_references(test.weak, test.dense_audio, test.dense_visual)
    for name in ("segment_type", "event_type"):
        score = getattr(scores, name)
        assert score > getattr(references["weak_labels"], name) + 0.08, name
        assert score > getattr(references["nothing"], name) + 0.45, name
