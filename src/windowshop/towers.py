"""The two towers on top of frozen encoder features.

Shapes: B batch, H feature width of an encoder, D shared width. The query tower never sees a
product field; what both towers share is how text and photos are projected into the shared width.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from windowshop.config import ModelConfig
from windowshop.fusion import make_fusion
from windowshop.layers import Dropout, ZeroStartMLP, mixed_precision
from windowshop.losses import MAX_SCALE

PAIR_TYPES = ("query_text", "query_image", "text_image", "query_product", "photo_product")
CLIP_SIGMA = 6.0


class Projection(nn.Module):
    """Standardised features -> unit vector: a linear map plus a small MLP that starts at zero."""

    mean_H: Tensor
    deviation_H: Tensor

    def __init__(self, inputs: int, config: ModelConfig) -> None:
        super().__init__()
        self.register_buffer("mean_H", torch.zeros(inputs))
        self.register_buffer("deviation_H", torch.ones(inputs))
        self._drop_features = Dropout(config.feature_dropout)
        self._linear = nn.Linear(inputs, config.width)
        nn.init.normal_(self._linear.weight, std=1 / math.sqrt(inputs))
        nn.init.zeros_(self._linear.bias)
        self._residual = ZeroStartMLP(inputs, config.hidden, config.width, config.dropout)

    def fit_scale(self, features_BH: Tensor) -> None:
        """Learn each feature's mean and deviation from a sample of the catalogue."""
        if bool((features_BH == features_BH[0]).all()):
            return  # one product, or all alike: less its mean, nothing would be left of it
        self.mean_H.copy_(features_BH.mean(dim=0))
        # A feature that hardly varies must not be blown up by its own rounding.
        deviation_H = features_BH.std(dim=0, correction=0)
        self.deviation_H.copy_(deviation_H.clamp_min(1e-3 * float(deviation_H.mean()) + 1e-8))

    def forward(self, x_BH: Tensor) -> Tensor:
        """Return unit vectors (B, D)."""
        inverse_H = 1 / self.deviation_H
        x_BH = torch.addcmul(-self.mean_H * inverse_H, x_BH, inverse_H)
        x_BH = x_BH.clamp(-CLIP_SIGMA, CLIP_SIGMA)
        x_BH = self._drop_features(x_BH)
        with mixed_precision(self):
            linear_BD = self._linear(x_BH)
        return F.normalize(linear_BD.float() + self._residual(x_BH), dim=-1)


class PhotoQuery(nn.Module):
    """A shopper's photo in the shared width: the product photo's vector, adapted.

    The adaptation starts at zero and only photo queries train it, so a shop without them searches
    by photo with the product's own projection.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self._residual = ZeroStartMLP(width, config.hidden // 2, width, config.dropout)
        self._scale = math.sqrt(width)

    def forward(self, v_BD: Tensor) -> Tensor:
        """Return unit vectors (B, D)."""
        return F.normalize(v_BD + self._residual(v_BD * self._scale), dim=-1)


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """Features of B queries; zeros and a 0 in `has_B2` where a query lacks text or photo."""

    text_BH: Tensor
    image_BH: Tensor
    has_B2: Tensor


@dataclass(frozen=True, slots=True)
class ProductBatch:
    """Features of B products; zeros and a 0 in `has_B2` where one lacks text or photo."""

    text_BH: Tensor
    image_BH: Tensor
    has_B2: Tensor


class TwoTower(nn.Module):
    """Query tower and product tower with one learned temperature a pair type."""

    def __init__(self, config: ModelConfig, text_width: int, image_width: int) -> None:
        super().__init__()
        self.config = config
        self.text = Projection(text_width, config)
        self.image = Projection(image_width, config)
        self.photo_query = PhotoQuery(config)
        self.fusion = make_fusion(config.fusion, config.width, config.hidden, config.dropout)
        start = torch.tensor(math.log(config.start_scale))
        self._log_scale = nn.ParameterDict({pair: start.clone() for pair in PAIR_TYPES})

    def scale(self, pair: str) -> Tensor:
        """Logit scale (1 / temperature) of a pair type."""
        log_scale: Tensor = self._log_scale[pair]
        return log_scale.exp()

    @torch.no_grad()
    def limit_scales(self) -> None:
        """Bring the learned scales back to MAX_SCALE, where their gradient would end (CLIP)."""
        for log_scale in self._log_scale.values():
            log_scale.clamp_(max=math.log(MAX_SCALE))

    def encode_queries(self, batch: QueryBatch) -> Tensor:
        """Return unit query vectors (B, D); text and photo count alike where a query has both."""
        has_text_B1, has_image_B1 = batch.has_B2[:, :1], batch.has_B2[:, 1:]
        if not bool(has_image_B1.any()):
            text_BD: Tensor = self.text(batch.text_BH)
            return text_BD * has_text_B1
        photo_BD: Tensor = self.photo_query(self.image(batch.image_BH))
        if not bool(has_text_B1.any()):
            return photo_BD * has_image_B1
        text_BD = self.text(batch.text_BH)
        return F.normalize(text_BD * has_text_B1 + photo_BD * has_image_B1, dim=-1)

    def encode_modalities(self, batch: ProductBatch) -> tuple[Tensor, Tensor]:
        """Return unit text and photo vectors, each (B, D), zero where absent.

        The photo's is all zero under a fusion that never looks at it.
        """
        t_BD = self.text(batch.text_BH) * batch.has_B2[:, :1]
        if not self.fusion.uses_image:
            return t_BD, torch.zeros_like(t_BD)
        return t_BD, self.image(batch.image_BH) * batch.has_B2[:, 1:]

    def encode_products(self, batch: ProductBatch) -> Tensor:
        """Return fused unit product vectors (B, D); zero for a product with neither modality."""
        t_BD, v_BD = self.encode_modalities(batch)
        fused_BD: Tensor = self.fusion(t_BD, v_BD, batch.has_B2)
        return fused_BD
