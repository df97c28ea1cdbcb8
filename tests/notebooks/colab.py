"""Every notebook as on Colab: alone in an empty folder, the package installed by its own first cell.

    make colab                                       in an environment like Colab's, made in .venv-colab
    python -m tests.notebooks.colab --python PYTHON  in an environment that is there, such as Colab's own
    python -m tests.notebooks.colab --python PYTHON 00_task table2

The address that the first cell installs from is a copy of this checkout's last commit, `git+file://...`.
Where `--wheels` names a folder, packages that Colab lacks come from there, and no network is needed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from book.tools.address import set_address
from book.tools.execute import NOTEBOOKS
from book.tools.project import ROOT

QUICK = {"preset": "smoke", "epochs": "1", "overrides": '{"dim": 16}'}
GRID = QUICK | {"seeds": "1", "workers": "2"}
# What papermill hands to notebooks that train: the plumbing at its smallest. The others run as they stand.
PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "train": QUICK,
    "table1": GRID,
    "table2": GRID,
    "when_it_helps": GRID
    | {"stored": "", "study": '["corrupt"]', "systems": '["han", "cmpie"]', "test_videos": "20"},
}
BROUGHT = ("cmpie_lite", "jaxtyping", "safetensors", "av")  # by a first cell; taken away before the next


def published(folder: Path) -> tuple[Path, str]:
    """A project at an address: a bare copy of this checkout's commit, and notebooks that name it."""
    origin, project = folder / "cmpie", folder / "project"
    git = ["git", "-c", "advice.detachedHead=false", "clone", "--quiet"]
    subprocess.run([*git, "--bare", str(ROOT), str(origin)], check=True)
    subprocess.run([*git, str(origin), str(project)], check=True)
    set_address(origin.as_uri(), root=project)
    return project / "notebooks", origin.as_uri()


def rehearse(name: str, notebooks: Path, python: Path, wheels: Path | None) -> bool:
    """Run one notebook in an empty folder, nothing of the project installed; True where it ran through."""
    taken = [python, "-m", "pip", "uninstall", "--quiet", "--yes", *BROUGHT]
    subprocess.run(taken, check=True, stderr=subprocess.DEVNULL)
    words = [word for pair in PARAMETERS.get(name, {}).items() for word in ("-p", *pair)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {
        "COLAB_RELEASE_TAG": "rehearsal",
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    if wheels is not None:
        environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(notebooks / f"{name}.ipynb", folder)
        command = [python, "-m", "papermill", "--no-progress-bar", f"{name}.ipynb", "out.ipynb", *words]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    print(f"{name}: {'ran' if done.returncode == 0 else 'FAILED'}", flush=True)
    if done.returncode:
        print(done.stderr[-3000:])
    return done.returncode == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit status is the number of notebooks that failed."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--python", type=Path, default=Path(sys.executable), help="with what Colab has")
    words.add_argument("--wheels", type=Path, help="a folder with wheels of what Colab lacks")
    words.add_argument("names", nargs="*", help="notebooks, such as 00_task; default: all")
    options = words.parse_args(arguments)
    every = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb") if path.stem != "out")
    if unknown := sorted(set(options.names) - set(every)):
        words.error(f"no notebook {unknown[0]!r}, expected some of {', '.join(every)}")
    wheels = options.wheels and options.wheels.resolve()
    with tempfile.TemporaryDirectory() as folder:
        notebooks, address = published(Path(folder))
        print("installing from", address, flush=True)
        ran = [
            rehearse(name, notebooks, options.python.absolute(), wheels) for name in options.names or every
        ]
    print(f"{sum(ran)} of {len(ran)} notebooks ran as on Colab")
    return ran.count(False)


if __name__ == "__main__":
    raise SystemExit(main())
