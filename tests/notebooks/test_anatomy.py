"""Every chapter has every part: card, prediction, paper, proof, bug, exercises, quiz, recap, footer."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from chapters import CHAPTERS, EXERCISE, ROOT, cells, markdown, run_with_solutions

from book.tools.execute import normalise, setup_cell
from book.tools.project import repository

each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)

PARTS = {
    "card": r'<div class="card-chapter">\n\n- \*\*Time\*\* .*\n- \*\*Device\*\* .*\n- \*\*Needs\*\* ',
    "diagram": r"!\[You are here[^\]]+\]\(\.\./book/_static/diagram/\w+\.svg\)",
    "predict": r'<div class="predict">',
    "broken": r'<div class="broken">',
    "unsaid": r'<div class="unsaid">',
    "recap": r'<div class="recap">',
    "where next": r"\*\*Where next\.\*\*|## Where next",
    "source link": r"\]\((\.\./|https://[^)\s]+/blob/[^/)\s]+/)cmpie_lite/[\w/]+\.py[)#]",
}


@each_chapter
@pytest.mark.parametrize("part", PARTS)
def test_part_is_there(path: Path, part: str) -> None:
    if part == "diagram" and path.stem.startswith(("00", "07")):
        pytest.skip("the first and the last chapter show the whole model")
    assert re.search(PARTS[part], markdown(path)), f"{path.name} has no {part}: {PARTS[part]}"


@each_chapter
def test_a_chapter_opens_with_a_sentence_a_picture_and_its_card(path: Path) -> None:
    """Code comes after what the reader will learn, and what only has to be there is folded."""
    every = cells(path)
    assert re.match(
        r"# \d · .+\n\n[A-Z][^#<]+\.\n\n!\[.+\]\(.+\)\n\n<div class=\"card-chapter\">", every[0]["source"]
    )
    assert "to read" in every[0]["source"], "the card's time says what it is the time of"
    assert every[1]["cell_type"] == "markdown"
    assert "## What you will be able to do" in every[1]["source"]
    for cell in every[2:4]:  # set-up and imports
        assert "hide-input" in cell["tags"], cell["source"][:60]
    for cell in every:
        printed = "".join("".join(out.get("text", "")) for out in cell.get("outputs", []))
        if len(re.findall(r"^ok  ", printed, re.M)) >= 4 and len(cell["outputs"]) == 1:
            assert "hide-output" in cell["tags"], f"a long list of ok unfolds: {cell['source'][:60]}"


@each_chapter
def test_the_paper_speaks_with_its_section(path: Path) -> None:
    blocks = re.findall(r"(?:^>.*\n?)+", markdown(path), re.M)
    assert blocks, "no quotation"
    assert all(re.search(r"— (Sec\.|Fig\.|Table|Abstract)", block) for block in blocks)


@each_chapter
def test_the_cards_equations_stand_in_the_chapter(path: Path) -> None:
    stated = re.search(r"- \*\*Equations?\*\* (.*)", markdown(path))
    labels = set(re.findall(r"^\$\$ \(eq-([\w-]+)\)", markdown(path), re.M))
    bounds = [part.split("–") for part in re.split(r", | and ", stated[1])] if stated else []
    wanted = {str(n) for b in bounds if b[0].isdigit() for n in range(int(b[0]), int(b[-1]) + 1)}
    assert wanted == {label for label in labels if label.isdigit()}


@each_chapter
def test_three_exercises_with_all_they_need(path: Path) -> None:
    blocks = re.split(r'(?=<div class="exercise">)', markdown(path))[1:]
    assert len(blocks) >= 3
    for block in blocks:
        assert re.search(r"\*\*Exercise \d\.\d\*\* · [●○]{3} · \d+ minutes", block), block[:80]
        assert '<details class="hint">' in block
        assert '<details class="solution">' in block
    numbers = EXERCISE.findall(markdown(path))
    assert numbers == [f"{int(path.stem[:2])}.{i + 1}" for i in range(len(numbers))]


@each_chapter
def test_three_questions_with_one_answer(path: Path) -> None:
    blocks = re.findall(r'<div class="quiz">.*?</div>', markdown(path), re.S)
    assert len(blocks) >= 3
    for block in blocks:
        choices = re.findall(r"^- \(([a-e])\) ", block, re.M)
        answer = re.findall(r"^\*\*\(([a-e])\)\*\*", block, re.M)
        assert len(choices) >= 2, block
        assert len(answer) == 1, block
        assert answer[0] in choices, block


@each_chapter
def test_the_first_code_cell_is_the_setup(path: Path) -> None:
    first, *others = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert "setup" in first["tags"], "tag the first code cell `setup`; book.tools.execute writes its text"
    assert first["source"] == setup_cell(repository()["url"])
    assert not any("setup" in cell["tags"] for cell in others)


def runs_well(calls: list[list[str]], code: int = 0) -> Callable[[list[str]], CompletedProcess[bytes]]:
    """A stand-in for `subprocess.run`, which lists what it is asked for and runs nothing."""

    def run(command: list[str]) -> CompletedProcess[bytes]:
        calls.append(command)
        return CompletedProcess(command, code)

    return run


def test_a_failed_install_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", runs_well([], code=1))
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    what = (
        r"could not install git\+https://github.com/owner/name: check the network, then run this cell again"
    )
    with pytest.raises(RuntimeError, match=what):
        exec(setup_cell("https://github.com/owner/name"), {})


def test_the_setup_cell_leaves_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr("subprocess.run", runs_well(calls))
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    exec(setup_cell("https://github.com/owner/name"), {})
    assert calls == []
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    exec(setup_cell("https://github.com/owner/name"), {})
    light, book = calls
    assert light[1:] == ["-m", "pip", "install", "-q", "jaxtyping", "safetensors"]
    assert book[1:6] == ["-m", "pip", "install", "-q", "--no-deps"]
    assert book[6] == "git+https://github.com/owner/name"


def test_the_setup_cell_installs_what_this_notebook_needs_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV where videos are read: on Colab where it is missing, in the error without an address always."""
    first = next(
        cell for cell in cells(ROOT / "notebooks" / "parse_a_video.ipynb") if "setup" in cell["tags"]
    )
    assert first["metadata"]["needs"] == ["av"]
    assert first["source"] == setup_cell(repository()["url"], ["av"])
    calls: list[list[str]] = []
    monkeypatch.setattr("subprocess.run", runs_well(calls))
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    there = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "av" else there(name))
    exec(setup_cell("https://github.com/owner/name", ["av"]), {})
    assert [command[5:] for command in calls] == [["av"], ["--no-deps", "git+https://github.com/owner/name"]]
    assert "install jaxtyping safetensors av`" in setup_cell("", ["av"])


def test_without_an_address_the_setup_cell_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    exec(setup_cell(""), {})  # the package is there: nothing to do
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"`make setup`, or, on Colab, upload the folder"):
        exec(setup_cell(""), {})
    assert "http" not in setup_cell("")


@each_chapter
def test_the_last_cell_is_the_footer_and_is_not_compared(path: Path) -> None:
    last = cells(path)[-1]
    assert "environment_footer()" in last["source"]
    assert "nbval-ignore-output" in last["tags"]


@each_chapter
def test_outputs_are_committed_and_free_of_errors(path: Path) -> None:
    for number, cell in enumerate(cells(path), 1):
        if cell["cell_type"] == "code" and "live-only" not in cell["tags"]:
            assert cell["execution_count"], f"cell {number} was never run: python -m book.tools.execute"
            assert all(out["output_type"] != "error" for out in cell["outputs"]), f"cell {number}"
            text = json.dumps(cell["outputs"])
            assert not re.search(r"0x[0-9a-f]{6,}|/tmp/|/home/", text), f"cell {number}: an address or a path"


@each_chapter
def test_files_are_as_book_execute_writes_them(path: Path) -> None:
    import nbformat

    stored = nbformat.read(path, as_version=4)
    again = normalise(nbformat.read(path, as_version=4))
    assert again == stored


@each_chapter
def test_vectorised_functions_are_short(path: Path) -> None:
    """The guide: at most twelve lines of code, docstring and signature left out."""
    for cell in cells(path):
        if cell["cell_type"] != "code":
            continue
        for node in ast.parse(cell["source"]).body:
            if isinstance(node, ast.FunctionDef) and "loop" not in node.name:
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1  # type: ignore[operator]
                assert lines <= 15, f"{node.name} has {lines} lines"


@each_chapter
def test_lines_of_code_fit_the_page(path: Path) -> None:
    for number, cell in enumerate(cells(path), 1):
        if cell["cell_type"] == "code":
            wide = [line for line in cell["source"].splitlines() if len(line) > 96]
            assert not wide, f"cell {number}: {wide}"


def test_solutions_satisfy_the_checkers_and_stubs_do_not() -> None:
    """Each checker says "to do" beside the stub and "ok" beside the solution that the chapter prints."""
    found = run_with_solutions(CHAPTERS)
    assert sorted(found) == sorted(number for path in CHAPTERS for number in EXERCISE.findall(markdown(path)))
    for number, (stub, solution) in found.items():
        assert stub, f"exercise {number} checks nothing"
        assert all(line.startswith("to do") for line in stub), stub
        assert len(solution) == len(stub)
        assert all(line.startswith("ok") for line in solution), solution
