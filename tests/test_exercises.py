"""The checkers of exercises: each refuses the wrong answers that a reader is likely to give."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import torch
from torch import nn

from cmpie_lite.attention import scaled_dot_product_attention
from cmpie_lite.config import ModelConfig
from cmpie_lite.model import CMPIE
from cmpie_lite.notebook.exercises import CHECKS, check_exercise
from cmpie_lite.notebook.later_answers import choices_of

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
PRESENCE = pd.DataFrame({"heard only": [3, 1], "heard and seen": [5, 0], "seen only": [1, 2]})
FEATURES = torch.tensor([[1.0, 3], [0, 2], [4, 2]])

EVENTS = pd.DataFrame({"onset": [0.0, 2.0], "offset": [4.0, 3.0]})


def head() -> nn.Module:
    torch.manual_seed(0)
    return CMPIE(ModelConfig(dim=32, ffn_dim=32)).eval().head


def masked_after_softmax(Q: Any, K: Any, V: Any) -> Any:
    weights = torch.softmax(Q @ K.mT / math.sqrt(Q.shape[-1]), dim=-1)
    return weights.tril() @ V


def by_weights(F: Any) -> Any:
    maps = scaled_dot_product_attention(F, F.flatten(0, 1), F.flatten(0, 1)).weights
    return maps[..., : F.shape[1]].sum(dim=-1)


def without(left_out: str) -> Callable[..., Any]:
    def by_features(F: Any, p: Any) -> Any:
        p = {name: torch.zeros_like(x) if name == left_out else x for name, x in p.items()}
        context = torch.cat([F[0], F[1]], dim=-1)
        Q = F @ p["query.weight"].T + p["query.bias"]
        V = context @ p["value.weight"].T + p["value.bias"]
        G = scaled_dot_product_attention(Q, context @ p["key.weight"].T, V).values
        return G @ p["out.weight"].T + p["out.bias"]

    return by_features


def gated_in_turn(x: Any, by_segment: Any, by_channel: Any) -> Any:
    x = x * by_segment(x.mean(dim=-1))[..., :, None]
    return x * by_channel(x.mean(dim=-2))[..., None, :]


WRONG: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("0.1", [(0, 4), (6, 10)], ()),
    ("0.2", lambda m: PRESENCE[{"audio": "heard only", "visual": "seen only"}[m]].sum() / 12, (PRESENCE,)),
    ("0.3", lambda a, v: 0.0 if not (a | v).any() else (a & v).sum() / (a | v).sum(), ()),
    ("0.4", lambda epochs: 0.5, ()),
    ("1.1", [1 / 3, 1 / 3, 1 / 3], ()),
    ("1.2", lambda Q, K, V, heads: scaled_dot_product_attention(Q, K, V).values, ()),
    ("1.3", masked_after_softmax, ()),
    ("2.1", [2, 3 / 4], ()),
    ("2.2", lambda F: F + scaled_dot_product_attention(F, F, F).values, ()),
    ("2.3", lambda d, ffn: 2 * (4 * d * d + 4 * d) + 2 * d * ffn + ffn + d + 4 * d, ()),  # keys with a bias
    ("2.3", lambda d, ffn: 2 * (4 * d * d + 3 * d) + 8 * d * d + 9 * d, ()),  # right at ffn = 4 d alone
    ("2.4", lambda reads: reads.std(2).mean() / reads.mean(2).std(1).mean(), ()),
    ("3.1", [5 / 3, 7 / 3], (FEATURES,)),
    ("3.2", gated_in_turn, ()),
    ("3.3", lambda x, gate: x * gate(x[:10].mean(dim=-1)).repeat(3)[:, None], ()),
    ("3.4", ["channel"] * 5, ()),
    ("3.5", [0, 0], ()),
    ("4.1", [4 / 8, 3 / 8], ()),
    ("4.2", by_weights, ()),  # right, but not what was asked for: it computes every weight
    ("4.2", lambda F: torch.sigmoid((F @ F[0].mT).logsumexp(-1) - (F @ F[1].mT).logsumexp(-1)), ()),
    *[("4.3", without(f"{part}.bias"), ()) for part in ("query", "value", "out")],
    ("4.4", lambda reads: reads[..., 10:].sum(-1).mean(), ()),
    ("5.1", lambda p: p.mean(dim=(1, 2)), ()),
    ("5.2", lambda p, a, b: (a.softmax(1) * b.softmax(2) * p).sum((1, 2)), ()),
    ("5.3", lambda p: 1 - (1 - p).prod(dim=1).mean(dim=1), ()),
    ("6.1", lambda a, v, av: (a + v) / 2, ()),
    ("6.2", lambda k: 2 * k + 1, ()),
    ("6.3", lambda pred, true, collar: 1, ()),
    ("7.1", lambda row: {"+Seg Attention": 0.7, "CM-PIE": 1.4}[row], ()),
    ("7.2", 319, (choices_of(ModelConfig),)),
    ("7.3", lambda h, s, head: head((h + s) / 2)[0], (head(),)),
    ("T2.1", lambda spread, width: int((1.96 * spread / width) ** 2), ()),  # rounded down
    ("P.1", lambda table, start: table.assign(onset=table.onset + start), (EVENTS,)),  # offsets as they were
    ("P.2", lambda table: "WEBVTT\n\n" + "\n\n".join(table.label), ()),
]


@pytest.mark.parametrize(("number", "answer", "context"), WRONG)
def test_a_wrong_answer_is_refused(number: str, answer: Any, context: tuple[Any, ...]) -> None:
    with pytest.raises(AssertionError, match=f"Exercise {number}"):
        check_exercise(number, answer, *context)


@pytest.mark.parametrize(("number", "answer", "context"), WRONG)
def test_a_refusal_does_not_say_what_is_right(number: str, answer: Any, context: tuple[Any, ...]) -> None:
    with pytest.raises(AssertionError) as refusal:
        check_exercise(number, answer, *context)
    assert re.search(r"which is (not right|too (small|large))\.$", str(refusal.value)), refusal.value


def test_every_exercise_has_a_wrong_answer_here() -> None:
    assert {number for number, _, _ in WRONG} == set(CHECKS)


CONTEXT = {number: context for number, _, context in WRONG}
FUNCTIONS = [number for number, answer, _ in WRONG if callable(answer)]


@pytest.mark.parametrize("number", sorted(set(FUNCTIONS)))
def test_a_forgotten_return_is_an_error_and_a_blank_is_to_do(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError, match="end without `return`"):
        check_exercise(number, lambda *_: None, *CONTEXT[number])
    check_exercise(number, lambda *_: ..., *CONTEXT[number])
    check_exercise(number, ..., *CONTEXT[number])
    assert capsys.readouterr().out == f"to do  Exercise {number}\n" * 2


def test_the_solutions_of_parsing_a_video_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(cell.source for cell in nbformat.read(NOTEBOOKS / "parse_a_video.ipynb", 4).cells)
    solutions = re.findall(r"<summary>Solution</summary>\n\n(.*?)\n\n</details>", text, flags=re.DOTALL)
    names: dict[str, Any] = {}
    for solution in solutions:
        exec(textwrap.dedent(solution), names)
    check_exercise("P.1", names["in_the_file"], EVENTS)
    check_exercise("P.2", names["captions"])
    assert capsys.readouterr().out == "ok     Exercise P.1\nok     Exercise P.2\n"
