"""Layout of an item's features.

Shapes: B batch, H feature width, K tokens, W width of a token.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Layout:
    """Parts of a feature vector: what is pooled over the item first, then tokens, if any."""

    segments: tuple[int, ...]
    """Widths of the pooled parts, for example depths of the encoder."""
    num_tokens: int = 0
    token_width: int = 0

    @property
    def pooled(self) -> int:
        """Width of all pooled parts together."""
        return sum(self.segments)

    @property
    def width(self) -> int:
        """Width of everything."""
        return self.pooled + self.num_tokens * self.token_width

    def tokens_of(self, x_BH: "Tensor") -> "Tensor":
        """The tokens within features, (B, K, W)."""
        return x_BH[:, self.pooled :].reshape(len(x_BH), self.num_tokens, self.token_width)
