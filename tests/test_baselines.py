"""The systems beside CM-PIE: the interface that they share, and the rows of both tables."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.errors import ConfigError
from cmpie_lite.losses import weak_label_loss
from cmpie_lite.results.published import published_scores
from cmpie_lite.support.fields import override
from cmpie_lite.systems.ave import AVEConfig
from cmpie_lite.systems.avsdn import AVSDNConfig
from cmpie_lite.systems.build import Config, build, config_from_facts, config_to_facts
from cmpie_lite.systems.mm_pyramid import MMPyramidConfig
from cmpie_lite.systems.rows import SYSTEMS, System, paper_rows, systems_of
from tests.making_models import assert_frames_are_pooled, inputs
from tests.making_systems import each_baseline, make

# --- the interface ---


@each_baseline
def test_shapes_and_probabilities(config: Config) -> None:
    parsed = make(config).eval()(*inputs())
    assert parsed.segments.shape == (3, 10, 2, 25)
    assert {p.shape for p in parsed[:3]} == {(3, 25)}
    for probs in parsed.predictions():
        assert bool(((probs >= 0) & (probs <= 1)).all())
        assert probs.std().item() > 1e-4  # and they depend on something


@each_baseline
def test_every_parameter_receives_a_gradient(config: Config) -> None:
    model = make(config)
    parsed = model(*inputs())
    loss = weak_label_loss(parsed.audio, parsed.visual, parsed.video, torch.eye(25)[:3]).total
    sum(parsed.extras.values(), loss).backward()
    dead = [n for n, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-9]
    assert not dead


@each_baseline
def test_eighty_frames_equal_ten_pooled_segments(config: Config) -> None:
    assert_frames_are_pooled(make(config).eval())


@each_baseline
def test_a_video_does_not_depend_on_its_batch(config: Config) -> None:
    model = make(config).eval()
    together = model(*inputs(3))
    alone = model(*(x[1:2] for x in inputs(3)))
    torch.testing.assert_close(alone.segments[0], together.segments[1])


@each_baseline
def test_stacked_models_answer_as_each_alone(config: Config) -> None:
    models = [make(config, seed).eval() for seed in range(3)]
    params, buffers = stack_module_state(models)
    x = inputs()

    def answer(params: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return functional_call(models[0], (params, buffers), x).segments

    stacked = vmap(answer)(params, buffers)
    for model, segments in zip(models, stacked, strict=True):
        torch.testing.assert_close(segments, model(*x).segments)


@each_baseline
def test_wrong_shapes_are_named(config: Config) -> None:
    audio, visual_2d, visual_3d = inputs()
    with pytest.raises(ValueError, match="visual_2d has shape"):
        make(config)(audio, visual_2d[:, :9], visual_3d)


# --- systems ---


def test_each_row_of_both_tables_is_a_system() -> None:
    """No row of the paper's stands with the paper's number alone, and no control has one."""
    for table in (1, 2):
        rows, built = list(published_scores(table)), list(paper_rows(table).values())
        assert set(built) == set(rows)
        assert all(rows.index(a) <= rows.index(b) for a, b in pairwise(built))  # in the paper's order
        assert all(SYSTEMS[name].rows or SYSTEMS[name].control_of for name in systems_of(table))
    assert len({system.title for system in SYSTEMS.values()}) == len(SYSTEMS)
    assert "Unknown are" in SYSTEMS["cm_cs"].unknown


def test_recipes_differ_in_nothing_but_the_learning_rates_that_are_documented() -> None:
    rates = {"mm_pyramid": 1e-4, "mm_pyramid_swapped": 1e-4, "ave": 3e-3, "avsdn": 3e-3}
    for name, system in SYSTEMS.items():
        assert system.recipe == TrainConfig(learning_rate=rates.get(name, 3e-4)), name


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_configs_survive_a_file(system: System) -> None:
    facts = config_to_facts(system.config)
    assert config_from_facts(facts) == system.config
    assert type(config_from_facts(facts)) is type(system.config)
    with pytest.raises(ConfigError, match="has no field 'depth'"):
        config_from_facts(facts | {"depth": 1})
    with pytest.raises(ConfigError, match="without dim"):
        config_from_facts({name: value for name, value in facts.items() if name != "dim"})


def test_unknown_systems_are_refused() -> None:
    with pytest.raises(ConfigError, match="'HAN', expected one of ModelConfig, AVEConfig"):
        config_from_facts({"system": "HAN"})

    @dataclasses.dataclass(frozen=True)
    class Unknown(ModelConfig):
        """A subclass may mean anything: it is not built as its parent."""

    with pytest.raises(ConfigError, match="type Unknown"):
        build(Unknown())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "changes", "match"),
    [
        (AVEConfig(), {"hidden": 0}, "hidden = 0, expected an integer >= 1"),
        (AVSDNConfig(), {"hidden": 1.5}, "hidden"),
        (MMPyramidConfig(), {"heads": 3}, "divisor of dim = 512"),
        (MMPyramidConfig(), {"order": "mixed"}, "order(.|\n)*'named', 'swapped'"),
        (MMPyramidConfig(), {"dropout": 1.0}, r"\[0, 1\)"),
    ],
)
def test_impossible_configurations_are_refused(config: Config, changes: dict, match: str) -> None:
    # A wrong type is caught by our own check, or here by the type checker of the tests.
    with pytest.raises((ConfigError, TypeCheckError), match=match):
        override(config, changes)
