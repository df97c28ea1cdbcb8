"""Quick extractors: the values of the plain networks, nearly so in half precision, many videos at once."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from video_files import numbered, tone, write_video

from cmpie_lite.errors import DataError
from data_fetch.extract import quick
from data_fetch.extract.ahead import extract_ahead
from data_fetch.extract.networks import BasicBlock, Bottleneck, VGGish, tiny_visual_3d
from data_fetch.extract.quick import Quick, has_bfloat16
from data_fetch.extract.recipe import ExtractionRecipe
from data_fetch.extract.video import extract_video
from data_fetch.extract.weights import load_networks

CPU = torch.device("cpu")


def trained(network: nn.Module) -> nn.Module:
    """A network whose norms have seen something: no scale is 1, no mean 0."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor in (module.running_var, module.weight):
                tensor.data.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr, operator]
            for tensor in (module.running_mean, module.bias):
                tensor.data.normal_(0.0, 0.3, generator=generator)  # type: ignore[union-attr, operator]
    return network.eval()


CASES = {
    "ResNet's block": (lambda: Bottleneck(16, 8, 2), (2, 16, 12, 12)),
    "R(2+1)D's block": (lambda: BasicBlock(4, 8, 2), (2, 4, 8, 10, 10)),
    "VGGish's convolutions": (lambda: VGGish().features, (2, 1, 96, 64)),
}


@pytest.mark.parametrize("name", CASES)
def test_folded_norms_give_the_same_values(name: str) -> None:
    build, shape = CASES[name]
    torch.manual_seed(1)
    plain = trained(build())
    before = copy.deepcopy(plain.state_dict())
    fast = Quick(plain, "float32")
    x = torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(fast(x), plain(x), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d) for m in fast.modules())
    assert all(torch.equal(x, before[key]) for key, x in plain.state_dict().items()), "the original is kept"


@pytest.mark.parametrize("name", CASES)
def test_half_precision_is_near_and_gives_float32(name: str) -> None:
    build, shape = CASES[name]
    torch.manual_seed(1)
    plain = trained(build())
    x = torch.randn(shape)
    with torch.inference_mode():
        exact, half = plain(x), Quick(plain, "bfloat16")(x)
    assert half.dtype == torch.float32
    error = (half - exact).norm() / exact.norm()
    assert 1e-4 < error < 0.02, "bfloat16 has 8 bits: an error of about one in 256, and not none"


def test_the_stand_ins_average_is_not_summed_in_half_precision() -> None:
    """A sum of 392 pixels in eight bits loses the last ones: features of still clips were 18 % off."""
    torch.manual_seed(1)
    plain, x = tiny_visual_3d().eval(), 2.0 + 0.1 * torch.randn(1, 3, 8, 112, 112)
    with torch.inference_mode():
        exact, half = plain(x), Quick(plain, "bfloat16")(x)
    assert 1e-4 < (half - exact).norm() / exact.norm() < 0.01


def test_which_processors_have_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(quick, "CPU_INFO", info)
    assert not has_bfloat16(CPU), "unknown is no"
    for flags, found in (("fpu avx2 avx512f", False), ("fpu avx512_bf16 avx2", True), ("asimd bf16", True)):
        info.write_text(f"flags\t\t: {flags}\n")
        assert has_bfloat16(CPU) is found


def test_precision_is_part_of_what_the_features_are_called() -> None:
    assert ExtractionRecipe().describe("clips") == "clips"
    assert ExtractionRecipe(precision="bfloat16").describe("clips") == "clips, in bfloat16"
    with pytest.raises(DataError, match=r"precision = 'float16', expected one of float32, bfloat16"):
        ExtractionRecipe(precision="float16")
    with pytest.raises(DataError, match="precision = 'half'"):
        load_networks("tiny", precision="half")


def test_many_videos_together_are_as_one_by_one(tmp_path: Path) -> None:
    """Five videos and a broken one, three at once: the same features, in order, and the fault of the one."""
    networks, recipe = load_networks("tiny"), ExtractionRecipe(weights="tiny")
    paths = [
        write_video(tmp_path / f"{n}.mkv", [numbered(40 * n)] * 80, 8.0, sound=tone(10), codec="ffv1")
        for n in range(5)
    ]
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    order = [*paths[:2], broken, *paths[2:]]
    outcomes = list(extract_ahead(order, networks, recipe, together=3))
    assert [path for path, _ in outcomes] == order
    for path, outcome in outcomes:
        if path == broken:
            assert isinstance(outcome, DataError)
            continue
        alone = extract_video(path, networks)
        for name in ("audio", "visual_2d", "visual_3d"):
            np.testing.assert_allclose(getattr(outcome, name), getattr(alone, name), rtol=1e-5, atol=1e-6)
