"""Encoders in training: the data of each step, optimizer groups and saved states."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from windowshop.config import StageConfig
from windowshop.encoders import ImageEncoder, TextEncoder
from windowshop.training.data import TrainingData
from windowshop.training.fine_tuning.encoded_batches import (
    EncodedProducts,
    EncodedQueries,
    EncoderInputs,
)
from windowshop.training.fine_tuning.gradient_cache import GradientCache
from windowshop.training.fine_tuning.trainable import TrainableEncoder, make_trainable


class FineTuning:
    """The encoders of one system during one stage that trains them."""

    def __init__(
        self,
        data: TrainingData,
        inputs: EncoderInputs,
        encoders: tuple[TextEncoder, ImageEncoder],
        stage: StageConfig,
        seed: int,
    ) -> None:
        """`data` has the cached features, `inputs` the texts and images that they came from."""
        self._data, self._inputs, self._config = data, inputs, stage.fine_tuning
        config = stage.fine_tuning
        self._tuned: dict[str, TrainableEncoder] = {}
        if config.text != "frozen":
            self._tuned["text"] = make_trainable(encoders[0], config.text, config, seed)
        if config.image != "frozen":
            self._tuned["image"] = make_trainable(encoders[1], config.image, config, seed)

    def step_data(self, seed: int) -> tuple[TrainingData, GradientCache]:
        """Return the data of one step, with features of the encoders as they are.

        The loss' gradients go on to the encoders by the cache's `backward`.
        """
        gradients = GradientCache(self._config.chunk_size, seed)
        made = self._inputs, self._tuned.get("text"), self._tuned.get("image"), gradients
        data = TrainingData(
            EncodedProducts(self._data.products.features, *made),
            EncodedQueries(self._data.queries.features, *made),
            self._data.pairs,
        )
        return data, gradients

    def parameters(self) -> list[nn.Parameter]:
        """The encoder weights that train."""
        return [p for tuned in self._tuned.values() for p in tuned.parameters()]

    def param_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Their optimizer groups, each with its peak rate as `initial_lr`."""
        return [g for tuned in self._tuned.values() for g in tuned.param_groups(weight_decay)]

    def state(self) -> dict[str, Tensor]:
        """Copies of the encoder weights that train, by modality and name."""
        return {
            f"{modality}/{name}": tensor
            for modality, tuned in self._tuned.items()
            for name, tensor in tuned.trainable_state().items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights that `state` gave."""
        for modality, tuned in self._tuned.items():
            prefix = f"{modality}/"
            own = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
            tuned.load_trainable_state(own)

    def finish(self) -> None:
        """End training; the encoders encode with the tuned weights."""
        for tuned in self._tuned.values():
            tuned.finish()

    def interpolate(self, share: float) -> None:
        """Set the encoders between their weights before the stage (0) and after it (1)."""
        for tuned in self._tuned.values():
            tuned.interpolate(share)
