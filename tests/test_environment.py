"""What a record says of the machine and the code, and what an error says of a package that is missing."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

import cmpie_lite
from cmpie_lite.__main__ import main
from cmpie_lite.experiments import environment
from cmpie_lite.experiments.environment import commit, git, installed_commit
from tests.making import ROOT


def repository(folder: Path) -> str:
    """A repository with one commit, whose id is returned."""
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text("another project's")
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (("init", "-q"), ("add", "file"), (*who, "commit", "-q", "-m", "first")):
        git(folder, *words)
    return git(folder, "rev-parse", "HEAD")


def test_gits_variables_name_no_other_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign, ours = repository(tmp_path / "foreign"), commit()
    for name, value in (("GIT_DIR", ".git"), ("GIT_WORK_TREE", "."), ("GIT_INDEX_FILE", ".git/index")):
        monkeypatch.setenv(name, str(tmp_path / "foreign" / value))
    assert commit() == ours
    assert foreign not in str(ours)


def test_a_repository_around_an_installed_package_is_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(tmp_path)
    here = tmp_path / "site-packages" / "cmpie_lite"
    here.mkdir(parents=True)
    (here / "__init__.py").touch()
    monkeypatch.setattr(cmpie_lite, "__file__", str(here / "__init__.py"))
    assert commit() is None


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"url": "u", "vcs_info": {"vcs": "git", "commit_id": "ab" * 20}}, "ab" * 20),
        ({"url": "file:///x", "dir_info": {"editable": True}}, None),
        ({"vcs_info": {"commit_id": 3}}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_package_from_a_git_address_knows_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: object, found: str | None
) -> None:
    """As on Colab, where there is no checkout."""
    facts = tmp_path / "cmpie_lite-0.1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Name: cmpie-lite\nVersion: 0.1.0\n")
    if said is not None:
        (facts / "direct_url.json").write_text(json.dumps(said))
    monkeypatch.setattr(environment, "distribution", lambda _: PathDistribution(facts))
    assert installed_commit(tmp_path / "cmpie_lite") == found
    assert installed_commit(tmp_path / "elsewhere" / "cmpie_lite") is None


@pytest.mark.parametrize("package", ["cmpie_lite", "data_fetch"])
@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_command_line_sets_what_waiting_threads_do_before_torch_is_there(
    given: str | None, found: str, package: str
) -> None:
    program = (
        "import os, sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'torch':\n"
        "            print(os.environ.get('OMP_WAIT_POLICY')), sys.exit()\n"
        "sys.meta_path.insert(0, Stop())\n"
        f"import {package}.__main__, torch\n"
    )
    own = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    own |= {"OMP_WAIT_POLICY": given} if given else {}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=own, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == found


@pytest.mark.parametrize(
    "module", ["cmpie_lite.__main__", "data_fetch.__main__", "data_fetch.label_statistics"]
)
def test_a_folder_that_was_removed_under_a_command_is_one_line(tmp_path: Path, module: str) -> None:
    program = f"import os; os.rmdir(os.getcwd()); import runpy; runpy.run_module('{module}')"
    own = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=own, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the current folder is not there any more")
    assert done.stderr.count("\n") == 1


LONG = "9" * 50_000


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--seeds", LONG],
        ["train", "--seeds", "2147483648"],
        ["train", "--seeds", *map(str, range(1001))],
        ["train", "--set", f"heads={LONG[:3000]}"],
        ["train", "--set", f"heads={LONG}"],
        ["train", "--set", "heads=" + "[" * 50_000],
        ["train", "--set", f"{LONG}=1"],
        ["train", "--set", "dim=1000000"],
        ["train", "--set", "han_layers=1000000"],
        ["train", "--set", LONG],
        ["train", "--model", LONG],
        ["train", "--device", LONG],
        ["train", "--device", "hpu"],
        ["train", "--dataset", "\x1b[31m"],
        ["train", "--epochs", "1" * 30],
        [LONG],
    ],
)
def test_options_have_bounds_and_errors_do_not_repeat_all_of_them(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(words)
    except SystemExit as stop:
        status = int(str(stop.code))
    error = capsys.readouterr().err
    assert status == 2
    assert len(error) < 2500
    assert "\x1b" not in error
    assert "9" * 600 not in error


def test_every_remedy_names_an_extra_that_exists() -> None:
    """Each call `need(package, extra)`, wherever it stands."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        node.args[1].value
        for folder in ("cmpie_lite", "data_fetch")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "need"
        if isinstance(node.args[1], ast.Constant)
    }
    assert {"extract", "fetch", "videos"} <= named <= set(extras)
