"""Run records: a wrong one is named, with what is wrong in it, whatever that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.errors import DataError
from cmpie_lite.experiments.record import read_records
from tests.making_reports import record

WHOLE = record("han", 1, 0.5) | {"history": [{"loss": 1.0, "epoch": 1}]}


def read(folder: Path, content: Any) -> Any:
    (folder / "seed1").mkdir()
    (folder / "seed1" / "record.json").write_text(json.dumps(content))
    return read_records(folder)


@pytest.mark.parametrize("more", [{}, {"parameters": "ab"}, {"together": [1, 2]}, {"seconds": 3}])
def test_what_is_written_is_read(tmp_path: Path, more: dict[str, Any]) -> None:
    assert read(tmp_path, WHOLE | more) == [WHOLE | more]


@pytest.mark.parametrize("name", WHOLE)
def test_a_record_lacks_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"record\.json is not a run record: it has no {name}\. Restore it"):
        read(tmp_path, {key: value for key, value in WHOLE.items() if key != name})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"test": None}, "it.test is None, expected dict"),
        ({"test": {"segment_audio": 0.5}}, "test has no event_audio, "),
        ({"data": WHOLE["data"] | {"sha256": 3}}, "it.data.sha256 is 3, expected str"),
        ({"data": {"source": "LLP", "sha256": "3"}}, "it.data has no videos"),
        ({"data": WHOLE["data"] | {"creation": "by hand"}}, "it.data.creation is 'by hand', expected"),
        ({"history": [{"loss": 0.1}, {"loss": "1"}]}, "it.history[1].loss is '1', expected float"),
        ({"history": {}}, "it.history is {}, expected list"),
        ({"best_epoch": True}, "it.best_epoch is True, expected int"),
        ({"together": [1, "2"]}, "it.together[1] is '2', expected int"),
        ({"together": [77]}, "its seed is not one of those of together"),
        ({"best_epoch": 2}, "best_epoch is 2, of 1 epochs in history"),
        ({"history": []}, "best_epoch is 1, of 0 epochs in history"),
        ({"seconds": -1}, "the numbers of videos are at least 1, and seconds at least 0"),
        ({"finished": "<b>"}, "finished is '<b>', which holds '<', '>'"),
        ({"environment": WHOLE["environment"] | {"commit": "<img src=x>"}}, "environment.commit is '<img"),
        ({"recipe": [1]}, "it.recipe is [1], expected dict"),
        ({"seconds": False}, "it.seconds is False, expected float"),
    ],
)
def test_a_wrong_type_is_one_clear_error(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, WHOLE | change)
    assert f"record.json is not a run record: {fault}" in str(caught.value)
    assert "delete" not in str(caught.value).lower()


@pytest.mark.parametrize("content", [[], "text", 3, None])
def test_json_of_another_kind_is_no_record(tmp_path: Path, content: Any) -> None:
    with pytest.raises(DataError, match=r"it is .*, expected names and values"):
        read(tmp_path, content)
