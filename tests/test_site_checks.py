"""The checks of the built site find what they are there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.tools import check_links


def test_the_checker_finds_dead_links_and_network_resources(tmp_path: Path) -> None:
    (tmp_path / "b.html").write_text('<h1 id="here">b</h1>')
    (tmp_path / "s.css").write_text("@import url('https://fonts.example/x.css');")
    (tmp_path / "a.html").write_text(
        '<script src="https://cdn.example/x.js"></script><img src="gone.png"><a href="b.html#here">ok</a>'
        '<a href="b.html#nowhere">x</a><a href="c.html">x</a><a href="https://example.org">ok</a>'
        '<a href="#top">x</a>'
    )
    problems = check_links.check_links(tmp_path)
    assert sorted(problems) == [
        "a.html: dead link c.html",
        "a.html: gone.png is missing",
        "a.html: loads https://cdn.example/x.js from the network",
        "a.html: no such place #top",
        "a.html: no such place b.html#nowhere",
        "s.css: loads from the network",
    ]


def test_the_checker_knows_the_places_outside(tmp_path: Path) -> None:
    links = (
        "https://arxiv.org/abs/1706.03762",
        "https://github.com/nobody/nothing",
        "https://mybinder.org/v2/gh/a/b/main",
    )
    (tmp_path / "a.html").write_text("".join(f'<a href="{link}">x</a>' for link in links))
    unknown = "a.html: a link outside to an unknown place: "
    assert check_links.check_outside(tmp_path, "") == [unknown + links[1], unknown + links[2]]
    assert check_links.check_outside(tmp_path, "https://github.com/nobody/nothing") == []


@pytest.mark.parametrize(
    ("script", "late"), [("<script src='s.js'></script>", 1), ("<script defer src='s.js'></script>", 0)]
)
def test_the_checker_weighs_what_the_first_paint_waits_for(tmp_path: Path, script: str, late: int) -> None:
    random = bytes((i * i * 2654435761 >> 13) % 251 for i in range(600_000))
    (tmp_path / "s.js").write_bytes(random)
    (tmp_path / "a.html").write_text(f"<head>{script}</head><p>x</p>")
    assert check_links.seconds_to_paint(tmp_path / "a.html") >= 0.45
    assert len(check_links.check_weight(tmp_path)) == late
