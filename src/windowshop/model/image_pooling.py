"""The images of a product that has several -> one vector.

Shapes: M images of all products of a batch, B products, D shared width, X any further shape.
"""

import torch
from torch import Tensor, nn

from windowshop.config import ModelConfig
from windowshop.model.layers import ZeroStartMLP

FAR = 1e9
"""Distance by which the scores of other products' images fall behind: their shares are 0."""


class ImagePooling(nn.Module):
    """Pooling of a product's images: all count alike, or by a learned score.

    The score starts at zero, so that attention starts as the mean. The order of the images is never
    seen.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        learned = config.image_pooling == "attention"
        width, hidden = config.width, config.hidden // 4
        self._score = ZeroStartMLP(width, hidden, 1, config.dropout) if learned else None
        self._scale = width**0.5

    def shares(self, image_MD: Tensor, owner_M: Tensor, num_products: int) -> Tensor:
        """Return each image's share of its product, (M,); those of a product sum to 1.

        `image_MD` are unit vectors, `owner_M` is the product that each is of.
        """
        score_M = self._scores(image_MD)
        if score_M is None:
            weight_M = torch.ones_like(image_MD[:, 0])
        else:
            largest_B = torch.full_like(score_M[:1], -torch.inf).repeat(num_products)
            largest_B = largest_B.scatter_reduce(0, owner_M, score_M.detach(), "amax")
            weight_M = (score_M - largest_B[owner_M]).exp()
        return weight_M / total(weight_M, owner_M, num_products)[owner_M]

    def share_matrix(self, image_MD: Tensor, owner_BM: Tensor) -> Tensor:
        """Return the shares as a matrix (B, M); `owner_BM` has 1 where an image is a product's."""
        score_M = self._scores(image_MD)
        if score_M is None:
            return owner_BM / owner_BM.sum(dim=1, keepdim=True)
        return (score_M - (1 - owner_BM) * FAR).softmax(dim=1)

    def _scores(self, image_MD: Tensor) -> Tensor | None:
        """Return the score of each image, (M,); None where all count alike."""
        return None if self._score is None else self._score(image_MD * self._scale).squeeze(1)


def total(x_MX: Tensor, owner_M: Tensor, num_products: int) -> Tensor:
    """Sum of the rows of each product, (B, X)."""
    return x_MX.new_zeros(num_products, *x_MX.shape[1:]).index_add(0, owner_M, x_MX)
