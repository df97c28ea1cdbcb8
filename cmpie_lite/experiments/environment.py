"""With what a run was made: versions, commit and machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import torch

import cmpie_lite


def environment(device: torch.device) -> dict[str, str | int | float | None]:
    """Versions, commit and machine, as far as they can change a number."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu"
    return {
        "cmpie_lite": cmpie_lite.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": f"{device.type}: {name}",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }


def commit() -> str | None:
    """The git commit of this package, "+changes" where its checkout has uncommitted ones; None: unknown.

    Where it was installed from an address of git, that commit. A repository that merely lies around it, as
    around an environment in a project's folder, is another project's.
    """
    here = Path(cmpie_lite.__file__).resolve().parent
    try:
        git(here, "ls-files", "--error-unmatch", Path(cmpie_lite.__file__).name)
        head = git(here, "rev-parse", "HEAD")
        changes = git(here, "status", "--porcelain", "--", str(here))
    except (OSError, subprocess.SubprocessError):
        return installed_commit(here)
    return f"{head}+changes" if changes else head


def installed_commit(here: Path) -> str | None:
    """The commit that pip installed the package in this folder from (PEP 610), where it knows one."""
    try:
        found = distribution("cmpie-lite")
        if Path(str(found.locate_file("cmpie_lite"))).resolve() != here:
            return None
        commit_id = json.loads(found.read_text("direct_url.json") or "")["vcs_info"]["commit_id"]
    except (PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        return None
    return commit_id if isinstance(commit_id, str) else None


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder, whatever repository its variables name."""
    command = ["git", "-C", str(folder), *arguments]
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10, env=own)
    return done.stdout.strip()
