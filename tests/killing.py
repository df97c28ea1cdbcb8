"""Processes that kill themselves at a counted moment, and what their folders then hold, save times.

Nothing hangs on a clock. The moments are those at which a file reaches the disk or takes its place: a kill
between two of them leaves what one at the second leaves.
"""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cmpie_lite.support.tensor_files import tensors_in
from cmpie_lite.training.checkpoint import LAST
from data_fetch.fetch.features import CHECKSUM
from tests.making import files_of

MOMENTS = ("fsync", "replace", "rename", "link")  # of `os`


def in_a_process(call: Callable[[], Any], kill_at: int = 0) -> bool:
    """Whether a process of its own came to the end of a call; it is killed at its `kill_at`-th moment."""
    if (child := os.fork()) == 0:
        try:
            count_down(kill_at)
            call()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), "it neither ended nor was it killed"
    return status == 0


def count_down(left: int) -> None:
    """Let this process kill itself before the `left`-th of its MOMENTS; never where that is 0."""

    def at(moment: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **words: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return moment(*arguments, **words)

        return counted

    for name in MOMENTS:
        setattr(os, name, at(getattr(os, name)))


def content(out: Path) -> dict[str, Any]:
    """What is in a folder, without times."""
    found: dict[str, Any] = dict(files_of(out))
    for name in found:
        if name.endswith("record.json"):
            record = json.loads(found[name])
            for row in record["history"]:
                del row["seconds"]
            found[name] = {**record, "seconds": 0, "finished": ""}
        elif name.endswith(".safetensors"):  # whose header has its facts in any order
            tensors, header = tensors_in(bytearray(found[name]))
            bits = {key: x.numpy().tobytes() for key, x in tensors.items()}
            found[name] = bits if name.endswith(LAST) else (bits, header)  # LAST's history has durations
        elif name == CHECKSUM:
            found[name] = {archive: facts["sha256"] for archive, facts in json.loads(found[name]).items()}
    return found
