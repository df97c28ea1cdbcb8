"""What tests of training need: the smallest model, a short recipe."""

from __future__ import annotations

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.support.fields import override
from tests.making import TINY

SMALLEST = override(ModelConfig(), TINY)
RECIPE = TrainConfig(epochs=3, batch_size=16, learning_rate=1e-3)
