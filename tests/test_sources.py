"""The site's own source pages: what they show, and that links to them lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.tools import ledger, sources

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def small(tmp_path: Path) -> sources.Module:
    folder = tmp_path / "cmpie_lite"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "pooling.py").write_text(
        '"""Pools. And more."""\n\nclass Pool(dict):\n    """Holds `x` < 1."""\n\n'
        "    def size(self, of: int = 3) -> int:\n"
        '        """How many."""\n        return of\n\ndef _hidden():\n    pass\n'
    )
    found = sources.modules(tmp_path)
    assert list(found) == ["cmpie_lite/pooling"]
    return found["cmpie_lite/pooling"]


def test_a_page_has_each_public_name_with_its_documentation_and_the_source(small: sources.Module) -> None:
    page = sources.page(small, lambda text: f"<div><pre>{text}</pre></div>")
    assert "<h1>cmpie_<wbr>lite.<wbr>pooling</h1>" in page
    assert '<section id="Pool">' in page
    assert '<section id="Pool.size">' in page
    assert "Holds <code>x</code> &lt; 1." in page
    assert "Pool.size(self, of: int=3) -&gt; int" in page
    assert '<section id="_hidden">' not in page
    assert page.count("def _hidden") == 1
    assert '<a href="#L6">' in page
    assert '<span id="L6">    def size(' in page


def test_a_name_breaks_at_its_signs_and_nowhere_else() -> None:
    assert sources.breakable("a_b/c.py<") == "a_<wbr>b/<wbr>c.<wbr>py&lt;"
    assert sources.breakable("__init__") == "__init__"


def test_paragraphs_and_items_flow_and_what_is_indented_stays() -> None:
    docstring = "One\ntwo.\n\n- first\n  goes on\n- second\n\n    code\n    more\n\nRaises:\n    A: b."
    expected = "One two.\n\n- first goes on\n- second\n\n    code\n    more\n\nRaises:\n    A: b."
    assert sources.flowing(docstring) == expected


def test_the_first_sentence(small: sources.Module) -> None:
    assert sources.first_sentence(small.docstring) == "Pools."


@pytest.mark.parametrize("before", ["../", "https://github.com/o/n/blob/main/", "file:///srv/n/blob/main/"])
def test_links_to_source_files_lead_to_source_pages(before: str) -> None:
    text = f"see [`weights`]({before}cmpie_lite/pooling.py) and [x](../notebooks/train.ipynb)"
    expected = (
        'see <a href="../source/cmpie_lite/pooling.html">`weights`</a> and [x](../notebooks/train.ipynb)'
    )
    assert sources.with_links(text, "book/intro") == expected


@pytest.mark.parametrize("wrong", ["cmpie_lite/no_such_file.py", "cmpie_lite/pooling.py#no_such_name"])
def test_a_link_to_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(LookupError, match="no_such"):
        sources.with_links(f"[x](../{wrong})", "book/intro")


def test_every_link_of_the_ledger_and_of_the_module_list_leads_somewhere() -> None:
    for text in (ledger.markdown(), sources.markdown()):
        assert "](../cmpie_lite/" not in sources.with_links(text, "book/page")
