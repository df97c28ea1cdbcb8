"""The book's public address: one command sets it everywhere, and without one nothing pretends to it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from book.tools.address import set_address
from book.tools.execute import setup_cell
from book.tools.project import config, repository

ROOT = Path(__file__).resolve().parents[1]

URL = "https://github.com/Owner/a-book"
NAMED = ("_config.yml", "CITATION.cff", "README.md")
LAUNCH = re.compile(r"colab\.research\.google\.com/github/|mybinder\.org/v2/|\.github\.io/")


def tracked() -> list[Path]:
    """The project's own text files."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / line for line in listed.stdout.splitlines() if "/vendor/" not in line]
    return [
        path
        for path in paths
        if path.suffix in (".md", ".ipynb", ".yml", ".cff", ".toml", ".html", ".js", ".svg")
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of every file that knows the address."""
    (tmp_path / "notebooks").mkdir()
    for name in NAMED:
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("01_attention", "train"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", tmp_path / "notebooks")
    set_address("", root=tmp_path)
    return tmp_path


def contents(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): p.read_text() for p in sorted(root.rglob("*")) if p.is_file()}


def notebook_text(root: Path, name: str) -> list[str]:
    cells = json.loads((root / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells]


def test_the_project_is_as_the_command_leaves_it(tmp_path: Path) -> None:
    """Every place says what `_config.yml` says: setting its own address again changes nothing."""
    (tmp_path / "notebooks").mkdir()
    for name in NAMED:
        shutil.copy(ROOT / name, tmp_path / name)
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        if path.stem != "out":
            shutil.copy(path, tmp_path / "notebooks")
    changed = set_address(repository()["url"], config()["html"]["baseurl"], root=tmp_path)
    assert [path.name for path in changed] == []


def test_while_there_is_no_address_nothing_pretends_that_there_is_one() -> None:
    if repository()["url"]:
        pytest.skip("the book has an address")
    wrong = [
        f"{p.relative_to(ROOT)}: {m[0]}"
        for p in tracked()
        if p.suffix != ".py"
        for m in LAUNCH.finditer(p.read_text("utf8"))
    ]
    assert not wrong


def test_an_address_is_set_in_every_place_and_taken_away_again(project: Path) -> None:
    before = contents(project)
    changed = set_address(URL + ".git/", root=project)
    assert {path.relative_to(project).as_posix() for path in changed} == set(before)
    said = config(project)
    assert said["repository"]["url"] == URL
    assert said["html"]["baseurl"] == "https://owner.github.io/a-book/"
    assert yaml.safe_load((project / "CITATION.cff").read_text())["repository-code"] == URL
    assert f"{URL}/actions/workflows/tests.yml/badge.svg" in (project / "README.md").read_text()
    assert "https://mybinder.org/v2/gh/Owner/a-book/main" in (project / "README.md").read_text()
    for name in ("01_attention", "train"):
        cells = notebook_text(project, name)
        assert setup_cell(URL) in cells
        assert f"]({URL}/blob/main/cmpie_lite/" in "".join(cells)
        assert "](../cmpie_lite/" not in "".join(cells)
    assert contents(project) != before
    set_address("", root=project)
    assert contents(project) == before


def test_a_second_address_replaces_the_first(project: Path) -> None:
    set_address(URL, root=project)
    set_address("https://github.com/other/name", root=project)
    assert not [name for name, text in contents(project).items() if "Owner" in text or "a-book" in text]


def test_any_git_address_serves_without_claiming_colab(project: Path) -> None:
    set_address("file:///srv/book", root=project)
    assert "git+file:///srv/book" in "".join(notebook_text(project, "train"))
    assert not LAUNCH.search("".join(contents(project).values()))
    assert config(project)["html"]["baseurl"] == ""


@pytest.mark.parametrize(
    "url", ["github.com/owner/name", "https://github.com/owner", "ssh://host/x/y", "name"]
)
def test_what_is_no_address_is_refused_and_nothing_changes(project: Path, url: str) -> None:
    before = contents(project)
    with pytest.raises(ValueError, match=f"got the address {url!r}, expected https://github.com/OWNER/NAME"):
        set_address(url, root=project)
    assert contents(project) == before
