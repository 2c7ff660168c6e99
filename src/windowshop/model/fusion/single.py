"""One modality alone: the text-only and the image-only two-tower.

Shapes: B batch, D shared width.
"""

from torch import Tensor

from windowshop.model.fusion.base import Fusion, Modalities


class TextOnly(Fusion):
    """The product's text alone; the text-only two-tower."""

    uses_image = False

    def forward(self, products: Modalities) -> Tensor:
        """Return the text vector."""
        return products.t_BD


class ImageOnly(Fusion):
    """The product's image alone."""

    uses_text = False

    def forward(self, products: Modalities) -> Tensor:
        """Return the image vector."""
        return products.v_BD
