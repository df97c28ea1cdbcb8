"""Log-mel and networks against independent computations; published weights against a misbehaving host."""

from __future__ import annotations

import hashlib
import io
import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cmpie_lite.errors import ConfigError, DataError
from data_fetch.extract import weights as module
from data_fetch.extract.logmel import log_mel
from data_fetch.extract.networks import R2Plus1D18, ResNet152, VGGish
from data_fetch.extract.weights import load_networks, published_state
from tests.fetch_server import Host, serve
from tests.making import readable


def log_mel_by_hand(second: np.ndarray) -> np.ndarray:
    """The patch of one second, one frame, bin and band at a time, straight from the definition."""
    patch = np.empty((96, 64))
    window = [0.5 - 0.5 * math.cos(2 * math.pi * n / 400) for n in range(400)]
    low, high = (1127 * math.log(1 + f / 700) for f in (125.0, 7500.0))
    edges = [low + (high - low) * i / 65 for i in range(66)]
    mels = [1127 * math.log(1 + (b * 16_000 / 512) / 700) for b in range(257)]
    dft = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512)
    for frame in range(96):
        magnitudes = np.abs(dft @ (second[160 * frame : 160 * frame + 400] * window))
        for band in range(64):
            left, centre, right = edges[band : band + 3]
            energy = 0.0
            for b in range(1, 257):
                if left < mels[b] <= centre:
                    energy += magnitudes[b] * (mels[b] - left) / (centre - left)
                elif centre < mels[b] < right:
                    energy += magnitudes[b] * (right - mels[b]) / (right - centre)
            patch[frame, band] = math.log(energy + 0.01)
    return patch


def test_log_mel_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(32_000) / 16_000
    waveform = 0.3 * np.sin(2 * np.pi * 440 * t**1.5) + 0.05 * rng.standard_normal(32_000)
    patches = log_mel(torch.from_numpy(waveform.astype(np.float32)))
    assert patches.shape == (2, 1, 96, 64)
    assert patches.dtype == torch.float32
    for i in range(2):
        expected = log_mel_by_hand(waveform.astype(np.float32)[16_000 * i : 16_000 * (i + 1)].astype(float))
        np.testing.assert_allclose(patches[i, 0], expected, atol=1e-5)


def test_log_mel_properties() -> None:
    silence = log_mel(torch.zeros(160_000))
    assert silence.shape == (10, 1, 96, 64)
    assert torch.all(silence == torch.tensor(math.log(0.01)))
    t = torch.arange(16_000, dtype=torch.float64) / 16_000
    bands = [
        int(log_mel(torch.sin(2 * math.pi * f * t).float())[0, 0].mean(0).argmax()) for f in (200, 1000, 5000)
    ]
    assert bands == sorted(bands)
    assert bands[0] < 6
    assert bands[2] > 45, "high tones lie in high bands"
    seconds = torch.randn(32_000, generator=torch.Generator().manual_seed(0)) / 10
    assert torch.equal(log_mel(seconds)[1], log_mel(seconds[16_000:])[0]), "seconds stand alone"


def test_vggish_flattens_with_channels_last() -> None:
    """With an embedding that copies one input, the output is the map's value at (row, column, channel)."""
    network = VGGish()
    network.features = nn.Identity()
    maps = torch.arange(512 * 6 * 4, dtype=torch.float32).reshape(1, 512, 6, 4)
    network.embeddings = nn.Identity()
    flat = network.forward(maps)
    for row, column, channel in [(0, 0, 0), (0, 0, 511), (0, 3, 7), (5, 3, 511), (2, 1, 100)]:
        assert flat[0, (row * 4 + column) * 512 + channel] == maps[0, channel, row, column]


def test_parameter_counts_are_the_published_ones() -> None:
    """Of the published networks less their classifiers; VGGish has no classifier."""
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in n.parameters()) for n in (ResNet152(), R2Plus1D18(), VGGish())]
    assert sizes == [60_192_808 - 2049 * 1000, 31_505_325 - 513 * 400, 72_141_184]


def test_names_shapes_and_values_are_torchvisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our modules take torchvision's weights and give its values, bit for bit."""
    folder = os.environ.get("CMPIE_TORCHVISION")
    if folder is None:
        pytest.skip("needs torchvision: name a folder that holds it in CMPIE_TORCHVISION")
    library = torch.library.Library("torchvision", "DEF")  # its operators do not load here
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    monkeypatch.syspath_prepend(folder)
    torchvision = pytest.importorskip("torchvision")
    generator = torch.Generator().manual_seed(0)
    for ours, theirs, shape in [
        (ResNet152(), torchvision.models.resnet152(), (1, 3, 224, 224)),
        (R2Plus1D18(), torchvision.models.video.r2plus1d_18(), (1, 3, 8, 112, 112)),
    ]:
        state = theirs.state_dict()
        for name, value in state.items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1, generator=generator)
            elif name.endswith("running_var"):
                value.uniform_(0.9, 1.1, generator=generator)
        theirs.load_state_dict(state)
        module._load(ours, dict(state), "torchvision")
        theirs.fc = nn.Identity()
        x = torch.randn(shape, generator=generator)
        with torch.inference_mode():
            assert torch.equal(ours.eval()(x), theirs.eval()(x))
    weights = torchvision.models.ResNet152_Weights.IMAGENET1K_V1, torchvision.models.video.R2Plus1D_18_Weights
    assert module.WEIGHTS["resnet152"] == weights[0].url
    assert module.WEIGHTS["r2plus1d_18"] == weights[1].KINETICS400_V1.url


def test_random_networks_are_seeded_and_sane() -> None:
    first, again, other = (load_networks("tiny", seed=s) for s in (1, 1, 2))
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first.visual_2d(x), again.visual_2d(x))
    assert not torch.equal(first.visual_2d(x), other.visual_2d(x))
    assert not first.trained
    assert not any(p.requires_grad for p in first.audio.parameters())
    with pytest.raises(DataError, match="expected one of published, random, tiny"):
        load_networks("pretrained")
    with pytest.raises(ConfigError, match="'cuda:99' cannot be used"):
        load_networks("tiny", "cuda:99")


# --- published weights: the real loading code on small files of a local host ---------------------------


class Small(nn.Module):
    """Stands in for a network whose weights are published."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)


def published(
    monkeypatch: pytest.MonkeyPatch, host: Host, content: object, prefix: str | None = None
) -> bytes:
    """Let `host` hold `content` as every network's weights, under names that carry its checksum."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    name = f"net-{prefix or hashlib.sha256(data).hexdigest()[:8]}.pth"
    host.files[f"/{name}"] = data
    monkeypatch.setattr(module, "WEIGHTS", dict.fromkeys(module.WEIGHTS, f"{host.url}/{name}"))


def test_published_weights_are_downloaded_once_and_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, private: None
) -> None:
    for name in ("VGGish", "ResNet152", "R2Plus1D18"):
        monkeypatch.setattr(module.arch, name, Small)
    state = Small().state_dict()
    content = {k: v for k, v in state.items() if "tracked" not in k} | {"fc.weight": torch.ones(2, 2)}
    with serve(Host()) as host:
        published(monkeypatch, host, content)
        networks = load_networks("published", folder=tmp_path)
        assert networks.trained
        for network in (networks.audio, networks.visual_2d, networks.visual_3d):
            folded = state["conv1.weight"] / math.sqrt(1 + 1e-5)  # a fresh norm: only its eps shows
            torch.testing.assert_close(network.network.conv1.weight, folded)
        load_networks("published", folder=tmp_path)
        assert len(host.log) == 1, "one file here; it is asked for once"
        (file,) = tmp_path.iterdir()
        assert readable(tmp_path) == []
        file.write_bytes(file.read_bytes()[:-1] + b"?")
        with pytest.raises(DataError, match=r"sha256 .*expected .*Move it elsewhere"):
            load_networks("published", folder=tmp_path)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("absent", "HTTP Error 404"),
        ("other", "invalid hash value"),
        ("truncated", "invalid hash value|IncompleteRead"),
        ("missing", "1 tensors are missing, unknown or misshapen.*conv1"),
        ("unknown", "1 tensors are missing, unknown or misshapen.*extra"),
        ("shape", "1 tensors are missing, unknown or misshapen.*conv1"),
        ("code", "not a file of weights"),
        ("list", "holds no mapping"),
    ],
)
def test_bad_weights_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, harm: str, message: str
) -> None:
    for name in ("VGGish", "ResNet152", "R2Plus1D18"):
        monkeypatch.setattr(module.arch, name, Small)
    content: object = Small().state_dict()
    if harm == "missing":
        content = {k: v for k, v in Small().state_dict().items() if k != "conv1.weight"}
    elif harm == "unknown":
        content = Small().state_dict() | {"extra": torch.ones(1)}
    elif harm == "shape":
        content = Small().state_dict() | {"conv1.weight": torch.ones(4, 3, 3, 3)}
    elif harm == "code":
        content = Evil(str(tmp_path / "ran"))
    elif harm == "list":
        content = [torch.ones(2)]
    with serve(Host()) as host:
        published(monkeypatch, host, content, "00000000" if harm == "other" else None)
        (path,) = host.files
        if harm == "absent":
            del host.files[path]
        elif harm == "truncated":
            host.cuts[path] = [100]
        with pytest.raises(DataError, match=message):
            load_networks("published", folder=tmp_path)
    assert not (tmp_path / "ran").exists(), "loading must not run code"
    assert [p.suffix for p in tmp_path.iterdir()] in ([], [".pth"])
    if harm in ("absent", "other", "truncated"):
        assert not list(tmp_path.iterdir())


class Evil:
    """An object whose unpickling would create a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (self.path,))


def test_evil_is_evil(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(str(tmp_path / "ran"))))
    assert (tmp_path / "ran").exists()


def test_published_state_says_where_to_put_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "WEIGHTS", {"vggish": "http://127.0.0.1:9/vggish-10086976.pth"})
    with pytest.raises(DataError, match=rf"put it into {tmp_path}.*--weights-dir"):
        published_state("vggish", tmp_path)
