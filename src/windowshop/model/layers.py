"""Small layers of towers and fusions, with mixed precision for CPUs.

Shapes: N items of a sample, H feature width.
"""

from functools import cache

import torch
from torch import Tensor, nn

CLIP_SIGMA = 6.0


class Standardised(nn.Module):
    """Standardisation of features over the catalogue: of the first H, where there are more."""

    mean_H: Tensor
    deviation_H: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean_H", torch.zeros(inputs))
        self.register_buffer("deviation_H", torch.ones(inputs))

    def fit_scale(self, features_NH: Tensor) -> None:
        """Learn each feature's mean and deviation from a sample of the catalogue."""
        features_NH = features_NH[:, : len(self.mean_H)]
        if bool((features_NH == features_NH[0]).all()):
            return  # one product, or all alike: less its mean, nothing would be left of it
        self.mean_H.copy_(features_NH.mean(dim=0))
        # A feature that hardly varies must not be blown up by its own rounding.
        deviation_H = features_NH.std(dim=0, correction=0)
        self.deviation_H.copy_(deviation_H.clamp_min(1e-3 * float(deviation_H.mean()) + 1e-8))

    def standardise(self, x: Tensor) -> Tensor:
        """Return features (.., H) of mean 0 and deviation 1, outliers clipped."""
        inverse_H = 1 / self.deviation_H
        x = torch.addcmul(-self.mean_H * inverse_H, x[..., : len(self.mean_H)], inverse_H)
        return x.clamp(-CLIP_SIGMA, CLIP_SIGMA)


class Dropout(nn.Module):
    """Inverted dropout from uniform numbers: half the cost of torch's Bernoulli mask on CPUs."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Zero `share` of the values while training and scale up the rest."""
        if not self.training or self.share == 0:
            return x
        return x * ((torch.rand_like(x) >= self.share) / (1 - self.share))


class ZeroStartMLP(nn.Sequential):
    """Linear, GELU, dropout, and a last layer that starts at zero."""

    def __init__(self, inputs: int, hidden: int, outputs: int, dropout: float) -> None:
        last = nn.Linear(hidden, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(nn.Linear(inputs, hidden), nn.GELU(), Dropout(dropout), last)

    def forward(self, x: Tensor) -> Tensor:
        """Return the precision of `x`, whatever the one within."""
        with mixed_precision(self):
            result: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return result.to(x.dtype)


@cache
def fast_dtype(device: str = "cpu") -> torch.dtype:
    """Return the type of matrix products in training: bfloat16 on GPUs, and CPUs that have it.

    Elsewhere bfloat16 is emulated and slower than float32.
    """
    if device == "cuda":
        return torch.bfloat16
    capabilities = torch.cpu.get_capabilities()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if native else torch.float32


def mixed_precision(module: nn.Module) -> torch.autocast:
    """Return a context of reduced precision while the module trains, else of float32."""
    device = next(module.parameters()).device.type
    reduced = module.training and fast_dtype(device) != torch.float32
    return torch.autocast(device, dtype=torch.bfloat16, enabled=reduced)


MAX_SCALE = 100.0
