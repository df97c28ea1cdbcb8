"""Helpers of the notebooks: checks that fail where they should, widgets, figures, execution in place."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from book.tools.execute import content_id, merge_streams, normalise, setup_cell, takes_parameters
from book.tools.project import repository
from cmpie_lite.notebook import explorers as embed
from cmpie_lite.notebook.charts import attention_maps, curves, weight_bars
from cmpie_lite.notebook.checks import check, check_same
from cmpie_lite.notebook.page import environment_footer, example_clip, plot_style
from cmpie_lite.notebook.style import SMALLEST
from cmpie_lite.notebook.widgets import attention_widget, weights_widget

# ---------- checks ----------


def test_check_says_ok_or_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    check("a number", 1 / 3, 0.3333333333)
    check("a list of tensors", [torch.ones(2), torch.zeros(2)], [[1, 1], [0, 0]])
    check("a bool", torch.tensor(True), True)
    check("words", "audio", "audio")
    check("nothing yet", ..., 3)
    assert capsys.readouterr().out.splitlines() == [
        "ok     a number",
        "ok     a list of tensors",
        "ok     a bool",
        "ok     words",
        "to do  nothing yet",
    ]


@pytest.mark.parametrize(
    ("value", "expected", "message"),
    [
        (1.0, 1.1, r"received 1, expected 1\.1: they differ by 0\.1"),
        ([1.0, 2.0], [1.0, 2.5], r"at \[1\]"),
        (torch.ones(2, 3), torch.ones(3, 2), "is a transpose missing"),
        (torch.ones(2), torch.ones(3), r"shape \(2,\), expected \(3,\)"),
        (float("nan"), 1.0, "received nan"),
        (float("inf"), 1.0, "received inf"),
        ("audio", "visual", "received 'audio', expected 'visual'"),
        (object(), 1.0, "received object"),
        (True, False, "differ by 1"),
    ],
)
def test_check_says_what_is_wrong(value: object, expected: object, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check("it", value, expected)


def test_check_same_compares_values_and_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    x = torch.tensor([0.5, 2.0], dtype=torch.float64)
    check_same("square", {"product": lambda x: x * x, "power": lambda x: x**2}, [x])
    check_same("pairs", {"a": lambda x: (x, 2 * x), "b": lambda x: [x, x + x]}, [x])
    assert capsys.readouterr().out.startswith("ok     square: product = power, forward and gradient")
    with pytest.raises(AssertionError, match="the value of cube"):
        check_same("square", {"cube": lambda x: x**3, "power": lambda x: x**2}, [x])
    with pytest.raises(AssertionError, match="the gradient of frozen"):
        check_same("square", {"frozen": lambda x: x.detach() * x, "power": lambda x: x**2}, [x])


def test_footer_names_versions(capsys: pytest.CaptureFixture[str]) -> None:
    environment_footer()
    assert f"torch {metadata.version('torch')}" in capsys.readouterr().out


# ---------- example clip, figures, widgets ----------


def test_example_clip_is_what_its_labels_say() -> None:
    clip, again = example_clip(), example_clip()
    assert torch.equal(clip.features, again.features)
    quiet = example_clip(noise=0.0).features
    silent = torch.tensor([label.endswith("–") for label in clip.audio_labels])
    assert bool((quiet[0, silent] == 0).all())
    assert clip.audio_labels[3:6] == ["3 Dog", "4 Dog", "5 –"]
    torch.testing.assert_close(quiet[0, 3], quiet[1, 3])  # the same direction for ear and eye
    assert float(quiet[0, 0] @ quiet[0, 3]) == 0.0


def drawn(path: Path) -> tuple[list[Figure], bytes]:
    maps = attention_maps([np.eye(3), np.full((3, 3), 1 / 3)], ["one", "two"], split=1)
    bars = weight_bars({"a": [0.2, 0.8], "b": [0.5, 0.5]}, level=0.5)
    lines = curves([1, 2, 4], {"up": [1, 2, 3]}, xlabel="x", ylabel="y", log_x=True, log_y=True)
    for figure in (maps, bars, lines):
        figure.savefig(path)
    return [maps, bars, lines], path.read_bytes()


def test_names_of_curves_do_not_lie_on_each_other() -> None:
    ends = {"a": 1.0, "b": 5.0, "c": 1.01, "d": 0.99, "e": 5.0}
    figure = curves([0, 1], {name: [0, y] for name, y in ends.items()}, xlabel="x", ylabel="y")
    figure.canvas.draw()
    boxes = {t.get_text(): t.get_window_extent() for t in figure.axes[0].texts}
    assert sorted(boxes, key=lambda name: boxes[name].y0) == ["d", "a", "c", "b", "e"]
    assert not any(boxes[a].overlaps(boxes[b]) for a in boxes for b in boxes if a < b)


def test_figures_show_what_they_are_given(tmp_path: Path) -> None:
    (maps, bars, lines), once = drawn(tmp_path / "one.png")
    assert [axes.get_title() or axes.get_title(loc="left") for axes in maps.axes[:2]] == ["one", "two"]
    assert [text.get_text() for text in maps.axes[0].texts] == ["1.00"] * 3
    assert [bar.get_height() for bar in bars.axes[0].patches] == [0.2, 0.8, 0.5, 0.5]
    assert lines.axes[0].lines[0].get_ydata().tolist() == [1, 2, 3]
    assert all(figure.get_figwidth() <= 7 for figure in (maps, bars, lines))
    assert drawn(tmp_path / "two.png")[1] == once


def test_a_figure_is_an_svg_with_words_and_the_same_again(tmp_path: Path) -> None:
    plot_style()
    (_, bars, _), _ = drawn(tmp_path / "one.png")
    svg = bars._repr_svg_()
    assert svg == drawn(tmp_path / "two.png")[0][1]._repr_svg_()
    assert ">segment</text>" in svg
    assert min(float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", svg)) >= SMALLEST
    assert not re.search(r"\n|\d{4}-\d\d-\d\d", svg), "no lines, no date"


def test_attention_widget_follows_its_sliders() -> None:
    weights = np.arange(12.0).reshape(2, 2, 3) / 12
    step, query, view = attention_widget(weights, ["q0", "q1"], ["k0", "k1", "k<2>"]).children
    assert "0.17" in view.value
    assert "k&lt;2&gt;" in view.value
    step.value, query.value = 1, 1
    assert all(number in view.value for number in ("0.75", "0.83", "0.92"))
    with pytest.raises(ValueError, match=r"\(2, 2, 3\), expected \(2, 1, 3\)"):
        attention_widget(weights, ["q0"], ["a", "b", "c"])


def test_weights_widget_follows_its_slider() -> None:
    row, view = weights_widget([[0.25, 0.5], [0.75, 1.0]], ["first", "second"]).children
    assert "0.25" in view.value
    row.value = 1
    assert "0.75" in view.value
    with pytest.raises(ValueError, match="expected"):
        weights_widget(np.ones((2, 3)), ["one"])


def test_static_explorers_refuse_labels_that_do_not_fit() -> None:
    assert 'data-explorer="attention"' in embed.attention_explorer(np.ones((1, 1, 1)), ["q"], ["k"]).html
    with pytest.raises(ValueError, match="expected"):
        embed.attention_explorer(np.ones((1, 1, 1)), ["q"], ["k", "l"])


# ---------- execution in place ----------


def small_notebook() -> nbformat.NotebookNode:
    new = nbformat.v4
    printed = [new.new_output("stream", name="stdout", text=text) for text in ("a\n", "b\n")]
    return new.new_notebook(
        cells=[
            new.new_code_cell("pass", metadata={"tags": ["setup"]}),
            new.new_code_cell(
                "print()", metadata={"execution": {"iopub.status.busy": "now"}}, outputs=printed
            ),
            new.new_code_cell("print()"),
            new.new_code_cell("slider", metadata={"tags": ["live-only"]}, outputs=printed),
        ],
        metadata={"language_info": {"name": "python", "version": "3.11.7"}, "widgets": {}},
    )


def test_normalising_leaves_nothing_of_the_moment() -> None:
    notebook = normalise(small_notebook())
    setup, first, second, live = notebook.cells
    assert setup.source == setup_cell(repository()["url"])
    assert first.outputs[0].text == "a\nb\n"
    assert len(first.outputs) == 1
    assert "execution" not in first.metadata
    assert live.outputs == []
    assert second.id == first.id + "-2"
    assert "version" not in notebook.metadata.language_info
    assert "widgets" not in notebook.metadata
    assert nbformat.writes(normalise(notebook)) == nbformat.writes(normalise(small_notebook()))
    nbformat.validate(notebook)


def test_ids_depend_on_the_text_alone() -> None:
    one, two = (nbformat.v4.new_markdown_cell(text) for text in ("a", "b"))
    assert content_id(one, set()) == content_id(nbformat.v4.new_markdown_cell("a"), set())
    assert content_id(one, set()) != content_id(two, set())


def test_streams_of_two_kinds_stay_apart() -> None:
    outputs = [nbformat.v4.new_output("stream", name=name, text=name) for name in ("stdout", "stderr")]
    assert len(merge_streams(outputs)) == 2


def test_notebooks_with_parameters_are_left_to_papermill() -> None:
    notebook = small_notebook()
    assert not takes_parameters(notebook)
    notebook.cells[1].metadata["tags"] = ["parameters"]
    assert takes_parameters(notebook)
