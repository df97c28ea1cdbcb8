"""Paths as people write them, wherever a person gives one: `~` is the home folder, nothing is no path."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmpie_lite.data.annotations import read_annotations
from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments.grid import GridSettings
from cmpie_lite.experiments.knobs import ControlledSettings
from cmpie_lite.experiments.parse import ParseSettings
from cmpie_lite.experiments.settings import Settings, open_data, settings_from
from cmpie_lite.experiments.words import parser
from data_fetch import __main__ as fetch
from tests.making import some_store, write_store


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def actions(top: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every option of every command."""
    commands = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    for command in commands.choices.values():
        yield from command._actions


PATHS = [
    action
    for top in (parser(), fetch._parser())
    for action in actions(top)
    if callable(action.type) and action.type not in (int, float, fetch._word)
]


def test_every_option_that_is_a_path_is_looked_at() -> None:
    assert {"out", "sources", "videos", "features", "run_dir", "video", "report", "store"} <= {
        action.dest for action in PATHS
    }


@pytest.mark.parametrize("words", [["train", "--epochs=--"], ["evaluate", "run", "--threshold=--"]])
def test_two_dashes_are_no_value(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """argparse gives an empty list for them, which then fails wherever it is first looked at."""
    for top, one in ((parser(), words), (fetch._parser(), ["render", "--seed=--"])):
        with pytest.raises(SystemExit):
            top.parse_args(one)
        assert "expected a value, not --" in capsys.readouterr().err


@pytest.mark.parametrize("action", PATHS, ids=lambda action: action.dest)
def test_a_path_on_the_command_line(action: argparse.Action, home: Path) -> None:
    assert callable(action.type)
    assert action.type("~/llp") == home / "llp"
    with pytest.raises(argparse.ArgumentTypeError, match="'' is no path"):
        action.type("")


@pytest.mark.parametrize("kind", [Settings, GridSettings, ControlledSettings, ParseSettings])
def test_a_path_among_settings(kind: type, home: Path) -> None:
    (home / "clip.mp4").write_bytes(b"")
    for name in ("data_dir", "output_dir", "stored", "run_dir", "video"):
        if name in kind.__dataclass_fields__:
            place = "out" if name == "output_dir" else "clip.mp4"
            assert getattr(kind(**{name: f"~/{place}"}), name) == str(home / place)
            assert getattr(kind(**{name: ""}), name) == ""
            for wrong in ("a\0b", "a" * 256, f"ok/{'ü' * 128}"):
                with pytest.raises(ConfigError, match=rf"^{name}: .* is no path, expected one such as"):
                    kind(**{name: wrong})


def test_a_store_at_home_is_found(home: Path) -> None:
    made = some_store()
    write_store(home / "llp", made)
    assert open_store("~/llp").digest == made.digest
    assert open_data(settings_from({"data_dir": "~/llp"})).digest == made.digest


def test_annotations_at_home_are_looked_for(home: Path) -> None:
    with pytest.raises(DataError, match=str(home / "labels")):
        read_annotations("~/labels")
