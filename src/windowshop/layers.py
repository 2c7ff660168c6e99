"""Small layers that towers and fusions share, with what makes them quick on CPUs."""

from functools import cache

import torch
from torch import Tensor, nn


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
def fast_dtype() -> torch.dtype:
    """The type for matrix products while training: bfloat16 where the CPU multiplies it natively.

    Elsewhere bfloat16 is emulated and slower than float32.
    """
    capabilities = torch.cpu.get_capabilities()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if native else torch.float32


def mixed_precision(module: nn.Module) -> torch.autocast:
    """Context for a module's matrix products: reduced precision in training, float32 after it."""
    reduced = module.training and fast_dtype() != torch.float32
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced)
