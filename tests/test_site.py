"""How the site is delivered, shared and checked: what can be tested without building it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import delivery
import figures
import pandas as pd
import pytest
import references
import sharing
import spaces
from matplotlib.colors import to_hex
from pybtex.database import Entry, Person

from book.tools import audit, citation, headline
from cmpie_lite.notebook.page import plot_style
from cmpie_lite.notebook.style import DARK, INK, new_figure
from cmpie_lite.results.report_form import split_of

ROOT = Path(__file__).resolve().parents[1]
HEAD = """<html><head>
<meta name="viewport" content="a" /><meta name="viewport" content="b"/>
<link href="../_static/a.css?digest=1" rel="stylesheet" />
<link rel="preload" as="font" crossorigin href="../_static/f.woff2" />
<link rel="stylesheet" type="text/css" href="../_static/b.css?v=2" />
<script src="../_static/vendor/fontawesome/js/all.min.js?digest=1"></script>
<script src="../_static/doctools.js?v=1"></script>
<script>window.MathJax = {"options": {"x": 1}}</script>
<script defer="defer" src="../_static/vendor/mathjax/tex.js?v=9"></script>
<script>DOCUMENTATION_OPTIONS.pagename = 'book/a';</script>
<link rel="icon" href="../_static/favicon.svg"/></head><body>"""
FOOT = """<script src="clip.js"></script>
<!-- Scripts loaded after <body> so the DOM is not blocked -->
<script src="../_static/scripts/theme.js?d=1"></script></body></html>"""


def test_a_page_loads_one_style_sheet_and_one_script_and_its_own() -> None:
    page = delivery.lean(f"{HEAD}<p>no formula</p>{FOOT}", "../", "j.css", "j.js")
    assert re.findall(r'<script[^>]* src="([^"]*)"', page) == ["../_static/j.js", "clip.js"]
    assert re.findall(r'rel="stylesheet" href="([^"]*)"', page) == ["../_static/j.css"]
    assert page.count("viewport") == 1
    assert "MathJax" not in page
    assert "preload" not in page
    assert delivery.STYLE.findall(HEAD) == ["../_static/a.css", "../_static/b.css"]
    assert delivery.loaded(HEAD + FOOT) == ["../_static/doctools.js", "../_static/scripts/theme.js"]


def test_mathjax_is_there_where_a_formula_is() -> None:
    page = delivery.lean(f'{HEAD}<div class="math notranslate">x</div>{FOOT}', "../", "j.css", "j.js")
    assert 'window.MathJax = {"options": {"x": 1}};' in page
    assert "s.src = '../_static/vendor/mathjax/tex.js'" in page


def test_rules_that_no_page_can_use_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    path = tmp_path / "styles" / "a.css"
    (tmp_path / "basic.css").write_text("i{x:0}")
    path.write_text(
        "@charset 'utf-8'; @import '../basic.css'; a{x:1} .used{x:2} .gone,.used .part{x:3} .gone .used{x:4} "
        ".used:not(.gone){x:5}"
        "@media print{.gone{x:6} .used{x:7}} @media screen{.gone{x:8}} @font-face{src:url(../fonts/f.woff2)}"
        ".used{background:url(data:image/png;base64,AA)}"
    )
    text = delivery.joined_styles([path], tmp_path, {"used", "part"})
    assert re.findall(r"x:(\d)", text) == ["0", "1", "2", "3", "5", "7"]
    assert "@import" not in text
    assert "url(fonts/f.woff2)" in text
    assert "url(data:image/png;base64,AA)" in text
    assert "screen" not in text


def test_pictures_load_when_they_come_near(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes([0, 0, 3, 0, 0, 0, 1, 0]))
    found = delivery.IMAGE.search('<img alt="a" src="p.png" />')
    assert found
    lazy = delivery.lazy(found, tmp_path / "page.html")
    assert lazy == '<img loading="lazy" width="768" height="256" alt="a" src="p.png" />'


def test_a_figure_takes_its_pages_colours_and_keeps_those_of_a_map() -> None:
    plot_style()
    figure = new_figure(1.0)
    axes = figure.subplots()
    axes.bar(["0"], [1.0], color=DARK)
    axes.text(0, 0.5, "on a map", color="white")
    svg = figures.inlined(figure._repr_svg_(), 'a bar & "one" number')
    assert svg.startswith(
        '<div class="drawing"><svg class="drawn" role="img" aria-label="a bar &amp; &quot;one&quot; number"'
    )
    assert "width=" not in svg.split(">")[1]
    assert f"fill: light-dark({to_hex(DARK)}, {figures.ON_DARK[0]})" in svg
    assert "stroke: currentColor" in svg
    assert INK not in svg
    assert re.findall(r"fill: #ffffff[^>]*>([^<]*)<", svg) == ["on a map"]
    used, there = (
        set(re.findall(r'(?:url\(#|href="#)([\w-]+)', svg)),
        set(re.findall(r'\bid="([\w-]+)"', svg)),
    )
    assert used
    assert used <= there
    other = figures.inlined(new_figure(2.0)._repr_svg_(), "another")
    assert not there & set(re.findall(r'\bid="([\w-]+)"', other))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("in 95 % of clips", "in 95_% of clips"),
        ("+0.4 [-0.5, +1.4] points", "+0.4 [-0.5,_+1.4] points"),
        ("up to 4 s, and 4 segments", "up to 4_s, and 4 segments"),
        ("at D = 512 it", "at D_=_512 it"),
        ("a row of <em>Table 1</em>, Eq. 8–11", "a row of <em>Table_1</em>, Eq._8–11"),
        ("w/o. V and w/o. A", "w/o._V and w/o._A"),
        ("<pre>a <span>95 %</span> b</pre> 95 %", "<pre>a <span>95 %</span> b</pre> 95_%"),
        ('<span class="math x">\\(D = 512\\)</span>', '<span class="math x">\\(D = 512\\)</span>'),
        ('<a title="95 %">x</a> <code>D = 3</code>', '<a title="95 %">x</a> <code>D = 3</code>'),
    ],
)  # fmt: skip
def test_no_line_breaks_between_a_number_and_its_unit(text: str, kept: str) -> None:
    head = "<head><title>95 %</title></head>"
    assert spaces.bound(f"{head}<p>{text}</p>") == f"{head}<p>{kept.replace('_', spaces.NBSP)}</p>"


def test_the_root_page_reads_as_the_first_page() -> None:
    page = '<html data-content_root="../"><a href="../notebooks/a.html#x"></a><a href="b.html"></a>'
    page += '<a href="#c"></a><img src="../_static/d.svg"><a href="https://arxiv.org/abs/1"></a>'
    page += '<meta content="../_static/card.png">'
    moved = sharing.at_the_root(page, "book")
    assert re.findall(r'(?:href|src|content|data-content_root)="([^"]*)"', moved) == [
        "./", "notebooks/a.html#x", "book/b.html", "#c", "_static/d.svg", "https://arxiv.org/abs/1",
        "_static/card.png",
    ]  # fmt: skip


def test_the_first_page_has_the_books_title_once() -> None:
    assert sharing.once_titled("<title>A book &#8212; A book</title>") == "<title>A book</title>"
    assert (
        sharing.once_titled("<title>A page &#8212; A book</title>") == "<title>A page &#8212; A book</title>"
    )


def test_references_are_named_by_authors_and_year() -> None:
    def entry(year: str, *names: str) -> Entry:
        return Entry("article", {"year": year}, {"author": [Person(name) for name in names]})

    entries = [
        entry("2020", "Tian, Y.", "Li, D.", "Xu, C."),
        entry("2016", "He, K."),
        entry("2016", "He, J."),
    ]
    entries.append(entry("2019", "Lin, Y.", "Van Dam, Z."))
    labels = list(references.AuthorYearLabels().format_labels(entries))
    assert labels == ["Tian et al., 2020", "He, 2016", "He, 2016b", "Lin and Van Dam, 2019"]


def test_what_to_cite_is_what_the_citation_file_says() -> None:
    said, text = citation.citation(), citation.markdown()
    for part in (
        said["version"],
        str(said["date-released"]),
        said["preferred-citation"]["url"],
        "Chen, Yaru",
    ):
        assert part in text
    assert ("url     =" in text) == ("repository-code" in said)


@pytest.mark.parametrize(
    ("verdict", "tone"),
    [
        ("holds", "holds"),
        ("does not hold", "fails"),
        ("holds for visual; does not hold for audio-visual", "fails"),
        ("holds for the sign; unchecked for significance", "open"),
        ("holds within the rows of Table 1, not beyond them", "open"),
        ("holds as said: several, not all", "holds"),
    ],
)
def test_a_verdict_has_the_colour_of_what_it_says(verdict: str, tone: str) -> None:
    assert audit.tone(verdict) == tone


def test_the_audit_colours_each_of_its_verdicts() -> None:
    found = re.findall(r'class="verdict (\w+)"', audit.markdown())
    assert found == [audit.tone(one.verdict) for one in audit.sentences()]
    assert {"holds", "fails"} <= set(found)


def test_the_headline_is_the_stored_report_and_says_simulated() -> None:
    def report(low: float, high: float, source: str = "LLP-sim", changed: str = "") -> dict[str, Any]:
        runs = {"system": ["cmpie", "han"], "segment_type": [0.512, 0.5], "event_type": [0.462, 0.45]}
        pair = {"better": "cmpie", "worse": "han", "seeds": 8}
        found = [
            pair | {"metric": "segment_type", "low": low, "high": high},
            pair | {"metric": "event_type", "low": 0.002, "high": 0.022},
        ]
        return {
            "source": source,
            "videos": {"train": 1234},
            "runs": split_of(pd.DataFrame(runs | {"changed": [changed, ""]})),
            "intervals": split_of(pd.DataFrame(found)),
        }

    said = headline.sentence(report(-0.01, 0.034))
    assert "On LLP-sim, our simulated data, CM-PIE cannot be told apart from HAN" in said
    assert "over 8 pairs of runs on 1,234 training videos" in said
    assert "are 51.2 and 50.0 percent" in said
    assert "[-1.0, +3.4] points" in said
    assert "When events are scored, it is above HAN: 46.2 and 45.0 percent, [+0.2, +2.2] points." in said
    assert said.endswith("says nothing about the paper's own numbers.")
    assert "CM-PIE is above HAN" in headline.sentence(report(0.001, 0.034))
    assert "CM-PIE is below HAN" in headline.sentence(report(-0.02, -0.001, "LLP"))
    assert "simulated" not in headline.sentence(report(0.001, 0.034, "LLP"))
    assert "No comparison" in headline.sentence(None)
    other = headline.sentence(report(0.0, 0.0, changed="cma_form=projected,precision=bfloat16"))
    assert "CM-PIE in the reading `cma_form=projected` cannot be told apart" in other
    long = pd.DataFrame({"full_visual": [0.966, 0.438]}, index=["cmpie", "han"])
    said = headline.sentence(report(0.001, 0.034), long)
    assert "97 % of the events that it sees span the whole clip, and 44 % of those that HAN sees." in said
