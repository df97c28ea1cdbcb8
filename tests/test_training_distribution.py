"""HAN's training against a plain loop, over seeds: equal in distribution, and the comparison can tell."""

from __future__ import annotations

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.llp_sim import SMALL, simulate
from cmpie_lite.support.fields import override
from tests.benchmarks.compare_training import gaps, test_scores
from tests.oracles import training as plain

SEEDS = range(1, 6)
DIM = 64
# Few videos and epochs, so a higher rate: HAN is far from its best then, which makes differences show.
RECIPE = TrainConfig(epochs=8, learning_rate=1e-3, lr_step=6)


def test_training_equals_a_plain_loop_in_distribution() -> None:
    store = simulate(override(SMALL, {"num_train": 400, "num_val": 60, "num_test": 100}))
    recipes = [override(RECIPE, {"seed": seed}) for seed in SEEDS]
    scores = {way: [test_scores(way, store, r, DIM) for r in recipes] for way in ("float32", "plain")}
    assert not gaps(scores, "float32", "plain").apart.any()
    slower = [plain.train(store, override(r, {"learning_rate": 5e-4}), DIM) for r in recipes]
    assert gaps(scores | {"slower": slower}, "float32", "slower").apart.sum() > 5
