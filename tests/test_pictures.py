"""Scenes as pictures and sounds: what is drawn and played is what the labels and captions say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cmpie_lite.events import Event
from cmpie_lite.labels import CLASSES, NUM_SEGMENTS
from data_fetch.extract.logmel import log_mel
from data_fetch.render.clips import render_clip, render_set
from data_fetch.render.companions import captions
from data_fetch.render.pictograms import card
from data_fetch.render.pictures import GROUND, draw
from data_fetch.render.scenes import Scene
from data_fetch.render.sounds import sound
from tests.making_media import rendered, seen_in

COUNTS = {"train": 3, "val": 2, "test": 2}


def test_every_class_has_a_sound_of_its_own() -> None:
    """Audible in every second, never too loud; its even seconds are nearest to its odd ones."""
    odd, even = {}, {}
    for label in CLASSES:
        samples = sound(label, 160_000)
        assert np.abs(samples).max() < 0.8, label
        assert samples.reshape(10, -1).std(axis=1).min() > 0.03, label
        assert np.array_equal(sound(label, 48_000)[:40_000], samples[:40_000])
        patches = log_mel(torch.from_numpy(samples)).mean((1, 2)).numpy()
        odd[label], even[label] = patches[1::2].mean(axis=0), patches[0::2].mean(axis=0)
    for label in CLASSES:
        apart = {other: float(np.abs(even[label] - odd[other]).mean()) for other in CLASSES}
        assert min(apart, key=lambda other: apart[other]) == label, (label, apart)
    with pytest.raises(KeyError):
        sound("Nothing", 100)


def test_every_class_has_a_card_of_its_own() -> None:
    cards = {label: card(label, 24).astype(float) for label in CLASSES}
    for label, one in cards.items():
        assert one[12, 12, 3] == 255
        assert one[0, 0, 3] < 255, "corners are round"
        assert one[..., :3].std(axis=(0, 1)).max() > 20, f"{label}: nothing is drawn"
        nearest = min(np.abs(one - other).mean() for name, other in cards.items() if name != label)
        assert nearest > 15, label


def test_scenes_show_four_classes_at_most_and_none_over_another() -> None:
    for labels in (CLASSES[:4], CLASSES[3::7], CLASSES[1:2], CLASSES[:20:5]):
        scene = Scene((), tuple(Event(0.0, 10.0, label) for label in labels))
        for time in (0.0, 3.3, 9.9):
            assert seen_in(draw(scene, time, 96)) == set(labels)
    five = Scene((), tuple(Event(0.0, 10.0, label) for label in CLASSES[:5]))
    assert seen_in(draw(five, 0.0, 96)) == set(CLASSES[:4])


def test_the_networks_crop_cuts_no_card() -> None:
    """They see the middle 224 of 256 pixels."""
    for label in CLASSES[:4]:  # one in each place
        scene = Scene((), (Event(0.0, 10.0, label),))
        for time in np.arange(0.0, 10.0, 0.25):
            drawn = (draw(scene, time, 256) != GROUND).any(axis=2)
            assert drawn[16:-16, 16:-16].sum() == drawn.sum() > 0, (label, time)


def test_captions_are_the_events_in_order_of_time() -> None:
    events = (Event(2.0, 10.0, "Cat"), Event(0.0, 3.0, "Baby_cry_infant_cry"))
    assert captions(Scene(events, (Event(61.5, 62.0, "Dog"),))) == (
        "WEBVTT\n\n00:00.000 --> 00:03.000\n[baby cry infant cry]\n\n00:02.000 --> 00:10.000\n[cat]\n\n"
        "01:01.500 --> 01:02.000\n(dog in view)\n"
    )
    assert captions(Scene((), ())) == "WEBVTT\n"


def test_files_say_what_the_annotations_say(tmp_path: Path) -> None:
    """Per second: the picture's cards are the visible classes; the sound is the sum of the audible."""
    scenes = render_set(tmp_path, COUNTS, size=96, fps=2.0, progress=False)
    for video, scene, pictures, waveform, dense in rendered(tmp_path, scenes, COUNTS):
        for t in range(NUM_SEGMENTS):
            audible = [e for e in scene.audio if e.onset <= t < e.offset]
            visible = {e.label for e in scene.visual if e.onset <= t < e.offset}
            assert seen_in(pictures[8 * t + 4]) == visible, (video, t)
            now = slice(16_000 * t + 1600, 16_000 * (t + 1) - 1600)
            parts = [np.zeros(len(waveform)) for _ in audible]
            for part, event in zip(parts, audible, strict=True):
                first, last = round(16_000 * event.onset), round(16_000 * event.offset)
                part[first:last] = sound(event.label, last - first)
            mixed = np.stack([part[now] for part in parts], 1) if parts else np.zeros((12_800, 0))
            shares, *_ = np.linalg.lstsq(mixed, waveform[now], rcond=None)
            assert np.abs(shares - 1).max(initial=0) < 0.15, (video, t, shares)
            rest = (waveform[now] - mixed.sum(axis=1)).std()
            assert rest < 0.005 + 0.25 * mixed.sum(axis=1).std(), (video, t)
            if dense is not None:
                heard, seen = ({CLASSES[c] for c in np.flatnonzero(rolls[t])} for rolls in dense)
                assert (heard, seen) == ({e.label for e in audible}, visible)


def test_captions_and_poster_stand_beside_the_clip(tmp_path: Path) -> None:
    scene = Scene((Event(0.0, 2.0, "Dog"),), (Event(4.0, 6.0, "Dog"), Event(5.0, 6.0, "Cat")))
    render_clip(tmp_path / "a.mp4", scene, size=96, fps=2.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.png", "a.vtt"]
    assert (tmp_path / "a.vtt").read_text() == captions(scene)
    with Image.open(tmp_path / "a.png") as poster:
        assert seen_in(np.asarray(poster)) == {"Dog", "Cat"}
