"""An encoder in training: trained weights, their rates, and the mix with the old ones.

Shapes: B batch, H feature width.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, LoraModel
from torch import Tensor, nn

from windowshop.config import FineTuningConfig, FineTuningName
from windowshop.encoders import Encoder, ImageEncoder, TextEncoder
from windowshop.errors import EncoderError
from windowshop.model import fast_dtype

LORA_SCALE = 2
"""Factor of LoRA's product of two matrices (alpha / rank), whatever the rank."""


class TrainableEncoder:
    """An encoder while a stage trains it, and until a mix of old and new weights is chosen.

    The encoder's own `encode` works at any time, with the weights as they are; its `fingerprint`
    is up to date after `finish` and `interpolate`, in between after `encoder.refresh()`.
    """

    def __init__(
        self, encoder: TextEncoder | ImageEncoder, how: FineTuningName, config: FineTuningConfig
    ) -> None:
        """See `make_trainable`."""
        self.encoder = encoder
        self._how, self._config = how, config
        self._adapters: LoraModel | None = None
        self._after: dict[str, Tensor] | None = None
        module = encoder.module.eval().requires_grad_(False)
        self._bfloat16 = _has_fast_bfloat16(module, self.device)
        if how == "lora":
            targets = _adaptable(encoder)
            weights = {f"{name}.weight" for name in targets}
            self._before = _copies((n, p) for n, p in module.named_parameters() if n in weights)
            self._adapters = _attach_lora(module, targets, config.lora_rank)
        else:
            for block in _trained_blocks(encoder.blocks(), how, config):
                block.requires_grad_(True)
            self._before = _copies(self._trainable())

    def features(self, items: Sequence[Any]) -> Tensor:
        """Return (B, H) of one batch as training sees it: with dropout, in mixed precision.

        Texts for a text encoder, RGB images for an image encoder, which are looked at with
        `FineTuningConfig.image_side` pixels. Differentiable, on the encoder's device.
        """
        if isinstance(self.encoder, ImageEncoder):
            batch = self.encoder.prepare(items, self._config.image_side)
        else:
            batch = self.encoder.prepare(items)
        precision = torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16)
        with _training(self.encoder.module), precision:
            return self.encoder.features(batch)

    @property
    def side(self) -> int:
        """Pixels that images are looked at with; 0 for texts."""
        own = self.encoder.side if isinstance(self.encoder, ImageEncoder) else 0
        return own and (self._config.image_side or own)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.encoder.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return next(self.encoder.module.parameters()).dtype

    def parameters(self) -> list[nn.Parameter]:
        """Return the weights that train."""
        return [parameter for _, parameter in self._trainable()]

    def param_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Groups for an optimizer, each with its peak rate as `lr` and `initial_lr`.

        A block learns `layer_decay` times slower than the one after it, all of LoRA alike. Vectors
        (biases, norms) do not decay.
        """
        groups = []
        blocks = self.encoder.blocks()
        seen: set[int] = set()
        for distance, block in enumerate(reversed(blocks)):
            own = [p for p in block.parameters() if p.requires_grad and id(p) not in seen]
            seen.update(id(p) for p in own)
            factor = self._config.layer_decay**distance
            rate = self._config.learning_rate * (
                self._config.lora_rate if self._how == "lora" else factor
            )
            for decay, params in (
                (weight_decay, [p for p in own if p.ndim > 1]),
                (0.0, [p for p in own if p.ndim <= 1]),
            ):
                if params:
                    group = {"params": params, "weight_decay": decay}
                    groups.append({**group, "lr": rate, "initial_lr": rate})
        return groups

    def trainable_state(self) -> dict[str, Tensor]:
        """Copies of the weights that train, by name, on the CPU."""
        return _copies(self._trainable())

    @torch.no_grad()
    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        """Take weights that `trainable_state` gave; EncoderError where they are others."""
        own = dict(self._trainable())
        if {n: p.shape for n, p in own.items()} != {n: t.shape for n, t in state.items()}:
            raise EncoderError(
                f"the saved state has {len(state)} encoder weights, fine_tuning={self._how!r} "
                f"trains {len(own)}, or their shapes differ. Train with the "
                "settings it was saved under."
            )
        for name, parameter in own.items():
            parameter.copy_(state[name])

    def finish(self) -> None:
        """End training: LoRA is merged into the weights; the encoder is as if newly loaded."""
        if self._adapters is not None:
            self._adapters.merge_and_unload()
            self._adapters = None
        # As after loading: by this flag torch's attention picks one of two codes that round
        # differently.
        module = self.encoder.module.eval().requires_grad_(True)
        module.zero_grad()
        self._after = _copies((n, p) for n, p in module.named_parameters() if n in self._before)
        self.encoder.refresh()

    @torch.no_grad()
    def interpolate(self, share: float) -> None:
        """Set the weights to (1 - share) * before + share * tuned (WiSE-FT, arXiv:2109.01903).

        Both ends are exact. Needs `finish` first; may be called again with another share.
        """
        assert self._after is not None, "finish() comes before interpolate()"
        parameters = dict(self.encoder.module.named_parameters())
        for name, before in self._before.items():
            after = self._after[name]
            ends = {0.0: before, 1.0: after}  # as they are: lerp turns -0 into 0
            parameters[name].copy_(ends.get(share, torch.lerp(before, after, share)))
        self.encoder.refresh()

    def _trainable(self) -> list[tuple[str, nn.Parameter]]:
        return [(n, p) for n, p in self.encoder.module.named_parameters() if p.requires_grad]


def make_trainable(
    encoder: TextEncoder | ImageEncoder,
    how: FineTuningName,
    config: FineTuningConfig,
    seed: int = 0,
) -> TrainableEncoder:
    """Make an encoder ready for training: all its blocks, the last ones, LoRA, or nothing.

    LoRA (arXiv:2106.09685) adapts every linear layer and every 1x1 convolution of the blocks; its
    random matrices are drawn from `seed`, and its first features are those of the encoder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TrainableEncoder(encoder, how, config)


def _trained_blocks(
    blocks: list[nn.Module], how: FineTuningName, config: FineTuningConfig
) -> list[nn.Module]:
    if how == "frozen":
        return []
    return blocks if how == "full" else blocks[-config.partial_blocks :]


def _adaptable(encoder: Encoder) -> list[str]:
    """Names of the layers that LoRA can be attached to."""
    used = {id(module) for block in encoder.blocks() for module in block.modules()}
    # torch's own attention reads the weight of its last layer without calling that layer.
    attention = [m for m in encoder.module.modules() if isinstance(m, nn.MultiheadAttention)]
    used -= {id(module) for found in attention for module in found.modules()}
    return [
        name
        for name, module in encoder.module.named_modules()
        if id(module) in used and _is_matrix(module)
    ]


def _is_matrix(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return math.prod(module.kernel_size) == 1 and module.groups == 1
    return isinstance(module, nn.Linear)


def _attach_lora(module: nn.Module, targets: list[str], rank: int) -> LoraModel:
    config = LoraConfig(r=rank, lora_alpha=LORA_SCALE * rank, target_modules=targets)
    return LoraModel(module, config, "default")


@contextmanager
def _training(module: nn.Module) -> Iterator[None]:
    module.train()
    try:
        yield
    finally:
        module.eval()


def _has_fast_bfloat16(module: nn.Module, device: torch.device) -> bool:
    """Return whether bfloat16 makes training faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # On CPUs the gradient of a depthwise convolution takes up to five times as long in bfloat16.
    depthwise = any(isinstance(m, nn.Conv2d) and m.groups > 1 for m in module.modules())
    return fast_dtype() == torch.bfloat16 and not depthwise


def _copies(named: Iterable[tuple[str, nn.Parameter]]) -> dict[str, Tensor]:
    return {name: parameter.detach().cpu().clone() for name, parameter in named}
