"""Work that cannot be shared: no scheduler, no temporary folder or no room in it, and what is said of it."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path

import pytest

from cmpie_lite.errors import DataError
from cmpie_lite.support import workers
from cmpie_lite.support.reading import told
from cmpie_lite.support.workers import dask_client


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SCHEDULER_SECONDS", 0.2)
    with pytest.raises(DataError, match=r"no Dask scheduler at 'tcp://127\.0\.0\.1:9'.*Is it running"):
        dask_client("grid", scheduler="tcp://127.0.0.1:9").__enter__()


def test_without_a_temporary_folder_the_remedy_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "missing")])
    monkeypatch.setattr(workers, "local_cluster", lambda _: tempfile.gettempdir())
    remedy = r"No usable temporary directory found in .*missing.*export TMPDIR=~, and run again\.$"
    with pytest.raises(DataError, match=rf"Dask's processes do not start\. {remedy}"):
        dask_client("grid").__enter__()
    with pytest.raises(FileNotFoundError) as error:
        tempfile.mkdtemp()
    assert re.match(remedy, told(error.value))


def test_a_full_temporary_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Dask's error speaks of no folder, and ours of memory; what is full is neither memory nor the output."""

    def refused(_: int) -> None:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise RuntimeError("Nanny failed to start.") from error

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(workers, "local_cluster", refused)
    with pytest.raises(DataError) as caught:
        dask_client("grid").__enter__()
    said = (
        rf"Dask's processes do not start \(No space left.*\)\. .* {tmp_path}: make room there, or .*again\."
    )
    assert re.fullmatch(said, str(caught.value))


def test_a_worker_that_cannot_begin_reports_it_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is the worker's own process that finds the folder full; the error brings what it says."""
    full = f"raise OSError({errno.ENOSPC}, 'No space left on device')"
    monkeypatch.setitem(workers.DASK, "distributed.worker.preload", [full])
    with pytest.raises(DataError, match="No space left on device"):
        dask_client("grid").__enter__()
    assert capfd.readouterr().err == ""
