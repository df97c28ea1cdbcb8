"""Shared fixtures: no network, one thread, and the golden data that stands beside the project."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from book.tools.browser import Browser
    from cmpie_lite.data.annotations import Annotations
    from cmpie_lite.data.store import FeatureStore
    from cmpie_lite.experiments.settings import Settings
    from data_fetch.extract.weights import Networks

# jsonschema, which nbformat imports, would build a grammar of addresses for 1.5 s; no notebook has any.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden figures and annotations; skipped in a bare clone, required where CI says so."""
    if not SHARED.is_dir():
        if os.environ.get("CMPIE_REQUIRE_SHARED") == "1":
            pytest.fail(
                f"{SHARED} is missing although CMPIE_REQUIRE_SHARED=1: golden tests may not skip here."
            )
        pytest.skip(f"needs {SHARED}, which a bare clone does not have")
    return SHARED


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch  # not above: xdist's first process has no use for it

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only loopback may be reached: a test that asks for another host fails, it does not hang."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else address
        local = self.family == socket.AF_UNIX or host in ("127.0.0.1", "::1", "localhost")
        if not local:
            raise OSError(f"tests have no network, but something asked for {address!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def private() -> Iterator[None]:
    """A test whose files others must not read."""
    before = os.umask(0o077)
    yield
    os.umask(before)


# ---------- what tests of packing start from ----------


@pytest.fixture(scope="module")
def annotations() -> Annotations:
    """Of ten videos that were never filmed."""
    from tests.making import make_annotations

    return make_annotations()


@pytest.fixture
def feats(tmp_path: Path, annotations: Annotations) -> Path:
    """Their features in the authors' layout."""
    from tests.making_packs import all_ids, write_layout

    return write_layout(tmp_path / "feats", all_ids(annotations))


# ---------- what tests of extraction start from ----------


@pytest.fixture(scope="module")
def tiny() -> Networks:
    from data_fetch.extract.weights import load_networks

    return load_networks("tiny")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six rendered clips and their annotations."""
    from data_fetch.render.clips import render_set

    out = tmp_path_factory.mktemp("rendered")
    render_set(out, {"train": 2, "val": 2, "test": 2}, size=32, fps=10.0, progress=False)
    return out


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder of files that look like videos."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("render00000", "render00000b", "BjCEufrlXm4_20_30", "my.clip", ".hidden", "-3M-k4nIYIM"):
        (folder / f"{name}.mp4").write_bytes(b"no video")
    (folder / "source.txt").write_bytes(b"rendered clips\n")
    return folder


# ---------- what tests of many runs start from ----------


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """A store of random numbers, also in a folder; a test file that needs another has its own."""
    from tests.making import tiny_store

    return tiny_store(tmp_path_factory.getbasetemp() / "tiny")


@pytest.fixture(scope="session")
def simulated() -> FeatureStore:
    """A small LLP-sim, with every class."""
    from cmpie_lite.data.llp_sim import SMALL, simulate
    from cmpie_lite.support.fields import override

    return simulate(override(SMALL, {"seed": 3, "num_train": 80, "num_val": 20, "num_test": 20}))


@pytest.fixture
def one_simulation(simulated: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """The small LLP-sim, which whatever simulates then gets."""
    from cmpie_lite.experiments import settings

    monkeypatch.setattr(settings, "simulate", lambda config: simulated)
    return simulated


@pytest.fixture
def given(store: FeatureStore, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of a grid that ends in a moment."""
    from tests.making import TINY

    return {
        "data_dir": str(tmp_path_factory.getbasetemp() / "tiny"),
        "output_dir": str(tmp_path),
        "overrides": TINY,
        "epochs": 1,
        "seeds": 2,
        "device": "cpu",
        "workers": 1,
    }


@pytest.fixture
def job(store: FeatureStore, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A run that ends in a moment."""
    from cmpie_lite.experiments.settings import Settings
    from tests.making import TINY

    return Settings(
        model="han",
        data_dir=str(tmp_path_factory.getbasetemp() / "tiny"),
        output_dir=str(tmp_path),
        overrides=TINY,
        epochs=1,
        device="cpu",
    )


# ---------- what tests of pages start from ----------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser | None]:
    """Chromium, for all tests of a file; None where there is none."""
    from book.tools.browser import Browser, find_chromium

    try:
        find_chromium()
    except FileNotFoundError:
        yield None
        return
    with Browser() as one:
        yield one


@pytest.fixture(scope="module")
def chromium(browser: Browser | None) -> Browser:
    """The same, for tests that nothing else can run."""
    if browser is None:
        pytest.skip("no Chromium found: install it (Debian: apt-get install chromium) or set CHROMIUM")
    return browser
