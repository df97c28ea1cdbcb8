"""Every gate and every paper's protocol against a loop that decides one segment at a time."""

from __future__ import annotations

import pytest
import torch

from cmpie_lite.decoding import HANS, PROTOCOLS, DecodeConfig, Predictions, decode
from cmpie_lite.errors import ConfigError

GATES = ("global", "modality", "either", "none", "audio_global_visual_own")


def predictions(seed: int, videos: int = 6, classes: int = 5) -> Predictions:
    g = torch.Generator().manual_seed(seed)
    video, audio, visual = torch.rand(3, videos, classes, generator=g)
    segments = torch.rand(videos, 10, 2, classes, generator=g)
    video[0, 0] = audio[0, 1] = visual[0, 2] = 0.5  # exactly on HAN's threshold: reached
    segments[0, 3] = 0.5
    return Predictions(video, audio, visual, segments)


def slow_decode(p: Predictions, how: DecodeConfig) -> list[list]:
    """Audible and visible events, decided one by one, in words."""
    rolls = [torch.zeros(p.segments.shape[0], 10, p.segments.shape[3], dtype=torch.bool) for _ in range(2)]
    for n in range(len(p.video)):
        for c in range(p.video.shape[1]):
            says = {
                name: float(probs[n, c]) >= how.video_threshold
                for name, probs in (("video", p.video), ("audio", p.audio), ("visual", p.visual))
            }
            for m, own in enumerate(("audio", "visual")):
                if how.gate == "none":
                    may = True
                elif how.gate == "global":
                    may = says["video"]
                elif how.gate == "modality":
                    may = says[own]
                elif how.gate == "either":
                    may = says["audio"] or says["visual"]
                else:
                    may = says["video"] if own == "audio" else says["visual"]
                for t in range(10):
                    rolls[m][n, t, c] = may and float(p.segments[n, t, m, c]) >= how.segment_threshold
    return [roll.tolist() for roll in rolls]


WAYS = {gate: DecodeConfig(gate) for gate in GATES} | {name: p.decoding for name, p in PROTOCOLS.items()}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("seed", [0, 1])
def test_each_way_of_decoding_equals_a_loop(name: str, seed: int) -> None:
    """Eq. GATE and its variants."""
    p = predictions(seed)
    assert [roll.tolist() for roll in decode(p, WAYS[name])] == slow_decode(p, WAYS[name])


def test_the_gates_differ_and_han_s_is_the_default() -> None:
    p = predictions(2)
    found = {gate: torch.stack(decode(p, DecodeConfig(gate))) for gate in GATES}
    for i, one in enumerate(GATES):
        assert not any(torch.equal(found[one], found[other]) for other in GATES[:i])
    assert torch.equal(torch.stack(decode(p)), found["global"])
    assert torch.equal(torch.stack(decode(p, 0.5)), found["global"])
    assert bool((found["none"] >= torch.stack([x for x in found.values()])).all())  # a gate only takes away
    assert DecodeConfig() == HANS == PROTOCOLS["HAN"].decoding


def test_there_are_nine_protocols_and_each_says_how_it_selects() -> None:
    assert len(PROTOCOLS) == 9
    assert all(
        protocol.selection and protocol.papers.startswith(name) for name, protocol in PROTOCOLS.items()
    )
    assert "test split" in PROTOCOLS["CVCMS"].selection


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gate": "own"}, "'global', 'modality', 'either', 'none', 'audio_global_visual_own'"),
        ({"video_threshold": 1.5}, r"video_threshold = 1\.5, expected a probability in \[0, 1\]"),
        ({"segment_threshold": -0.1}, r"segment_threshold = -0\.1"),
    ],
)
def test_impossible_ways_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DecodeConfig(**fields)
