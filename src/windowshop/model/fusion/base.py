"""Base of fusions: inputs, interface, and the tuned mean that most of them start as.

Shapes: B batch, D shared width, E weighed parts (experts or modalities), T tokens, P = parts * D.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from windowshop.model.layers import ZeroStartMLP

MIN_WEIGHT = 0.05
"""The tuned text weight is kept this far from 0 and 1: nothing starts switched off, and a product
with one modality keeps its vector."""


@dataclass(frozen=True, slots=True)
class Modalities:
    """Text and image of B products in the shared width; all zero where a product lacks one."""

    t_BD: Tensor
    v_BD: Tensor
    """Unit vectors of text and image."""
    has_B2: Tensor
    """1 where a product has the modality, column 0 text and 1 image."""
    text_tokens_BTD: Tensor | None = None
    image_tokens_BTD: Tensor | None = None
    """Several vectors of each modality, for a fusion that needs them."""
    own_t_BD: Tensor | None = None
    """The text through the projection of a fusion that has its own; unit or zero, like `t_BD`."""

    def hidden(self, seen_B2: Tensor) -> "Modalities":
        """Return the products without the modalities that `seen_B2` marks with 0."""
        has_B2 = self.has_B2 * seen_B2
        text_B1, image_B1 = has_B2[:, :1], has_B2[:, 1:]
        return Modalities(
            t_BD=self.t_BD * text_B1,
            v_BD=self.v_BD * image_B1,
            has_B2=has_B2,
            text_tokens_BTD=_masked(self.text_tokens_BTD, text_B1),
            image_tokens_BTD=_masked(self.image_tokens_BTD, image_B1),
            own_t_BD=None if self.own_t_BD is None else self.own_t_BD * text_B1,
        )

    def with_images_of(self, owner_B: Tensor) -> "Modalities":
        """Return product i with the image of product `owner_B[i]`; both have one, or neither."""
        tokens_BTD = self.image_tokens_BTD
        return replace(
            self,
            v_BD=self.v_BD[owner_B],
            image_tokens_BTD=None if tokens_BTD is None else tokens_BTD[owner_B],
        )


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """State of training as a stage begins or ends, and what it can find out for the fusion.

    By default, before the first stage of a model for which nothing is found out.
    """

    text: nn.Module
    """The towers' text projection."""
    trains_fusion: bool = False
    fusion_began: bool = False
    """Whether this stage, or one before it, trains the fusion."""
    fusion_starts: bool = False
    """Whether this stage is the first that trains the fusion."""

    def text_weight(self) -> float | None:
        """Return the weight of text in the average that does best on dev; None without dev."""
        return None

    def text_projection(self) -> Mapping[str, Tensor] | None:
        """Return the weights of a text projection trained by itself; None without texts."""
        return None

    def calibrate(self) -> None:
        """Set the fusion's `query_weight` to what does best on dev."""


class Fusion(nn.Module):
    """One way to combine the modalities: called with Modalities, gives vectors (B, P).

    They are unit vectors, from one modality alone where a product has one, zero where it has none.
    """

    uses_text = True
    uses_image = True
    needs_tokens = False
    has_own_text = False
    """True for a fusion with a text projection of its own, which a text-only two-tower trains."""
    parts = 1
    """Vectors of width D that a product is stored as, interleaved: entry d * parts + i is entry d
    of part i, so that a prefix holds the same prefix of every part."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        """Build for vectors of `width`, with MLPs of `hidden` units; subclasses add weights."""
        super().__init__()
        self.own_text: nn.Module | None = None
        """Projection of text features that this fusion alone reads, set where `has_own_text`."""

    def read_text(self, text_BH: Tensor) -> Tensor | None:
        """Return unit vectors (B, D) of text features by the fusion's own projection, if any."""
        return None if self.own_text is None else self.own_text(text_BH)

    def start_from(self, text_weight: float) -> None:
        """Make the untrained fusion equal this weighted average; does nothing where it cannot."""

    def before_stage(self, context: StageContext) -> None:
        """Set what gradients do not teach, as a stage of training begins."""
        weight = context.text_weight() if context.fusion_starts else None
        if weight is not None:
            self.start_from(weight)
        if self.query_weight is not None:
            self.query_weight.calibrate(1.0, 0.0)

    def after_stage(self, context: StageContext) -> None:
        """Set what gradients do not teach, with the weights that a stage ends with."""
        if context.trains_fusion:
            context.calibrate()

    def alone(self, products: Modalities) -> tuple[Tensor, Tensor]:
        """Return the vectors by text alone and by image alone, cheaper than two calls."""
        return products.t_BD, products.v_BD

    def image_alone(self, v_BD: Tensor) -> Tensor:
        """Return the last part of products that have only these images, unit vectors (B, D)."""
        images = Modalities(
            t_BD=torch.zeros_like(v_BD),
            v_BD=v_BD,
            has_B2=v_BD.new_tensor([0.0, 1.0]).expand(v_BD.shape[0], 2),
            own_t_BD=torch.zeros_like(v_BD),
        )
        image_BP = self.alone(images)[1]
        return unit(image_BP[:, self.parts - 1 :: self.parts])

    def gate(self, products: Modalities) -> Tensor | None:
        """Weights (B, E), rows sum to 1 or 0, of a fusion that weighs each product, else None."""
        return None

    def weigh_queries(self, q_BD: Tensor, own_BD: Tensor | None = None) -> Tensor:
        """Return queries to compare with the stored product vectors, unit rows (B, P).

        `own_BD` is their text through the fusion's own projection, zero for a query with an image;
        None stands for images alone.
        """
        return q_BD

    @property
    def query_weight(self) -> "QueryWeight | None":
        """Weight of the first of two parts by query; None for a fusion without one."""
        return None


class QueryWeight(nn.Module):
    """b(q) in (0, 1), the weight of the first of two parts: sigmoid of a small MLP of the query.

    Training queries are learned by either part, so they hardly teach how far to trust one. Two
    numbers found on dev make up for that: b = sigmoid(sharpness * (MLP(q) - midpoint)).
    """

    sharpness: Tensor
    midpoint: Tensor

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self._mlp = ZeroStartMLP(width, hidden, 1, dropout)
        self._scale = width**0.5
        self.register_buffer("sharpness", torch.tensor(1.0))
        self.register_buffer("midpoint", torch.tensor(0.0))

    def forward(self, q_BD: Tensor) -> Tensor:
        """Return the weight of the first part, (B, 1)."""
        return torch.sigmoid(self.sharpness * (self.logits(q_BD) - self.midpoint))

    def logits(self, q_BD: Tensor) -> Tensor:
        """Return the output of the MLP for each query, (B, 1)."""
        logits_B1: Tensor = self._mlp(q_BD * self._scale)
        return logits_B1

    def calibrate(self, sharpness: float, midpoint: float) -> None:
        """Set the two numbers; (1, 0) leaves the MLP as it is."""
        self.sharpness.fill_(sharpness)
        self.midpoint.fill_(midpoint)

    def start_from(self, weight: float) -> None:
        """Set the bias so that an untrained b is `weight` for every query."""
        last = self._mlp[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.fill_(math.log(weight / (1 - weight)))

    def split(self, q_BD: Tensor, first_BD: Tensor | None = None) -> Tensor:
        """Return [b f; (1 - b) q] interleaved and normalised, (B, 2D); f is q unless given."""
        first_B1 = self(q_BD)
        first_BD = q_BD if first_BD is None else first_BD
        return unit(interleave(first_B1 * first_BD, (1 - first_B1) * q_BD))


class TunedMean(nn.Module):
    """w t + (1 - w) v with the weight tuned on dev: where trained fusions start."""

    text_weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("text_weight", torch.tensor(0.5))

    def start_from(self, text_weight: float) -> None:
        """Set w."""
        self.text_weight.fill_(bounded(text_weight))

    def forward(self, products: Modalities) -> Tensor:
        """Return the mean (B, D), not normalised."""
        return self.text_weight * products.t_BD + (1 - self.text_weight) * products.v_BD


def has_both(products: Modalities) -> Tensor:
    """1 for products that have both modalities, else 0; (B, 1)."""
    return products.has_B2.prod(dim=1, keepdim=True)


def joint_inputs(products: Modalities) -> Tensor:
    """[t; v; t * v; m_t; m_v] with entries of about unit size, (B, 3D + 2)."""
    scale = products.t_BD.shape[1] ** 0.5
    t_BD, v_BD = products.t_BD * scale, products.v_BD * scale
    return torch.cat([t_BD, v_BD, t_BD * v_BD, products.has_B2], dim=1)


def bounded(text_weight: float) -> float:
    """The weight, kept MIN_WEIGHT away from 0 and 1."""
    return min(max(text_weight, MIN_WEIGHT), 1 - MIN_WEIGHT)


def unit(x_BD: Tensor) -> Tensor:
    """Rows of length 1; a zero row stays zero."""
    return F.normalize(x_BD, dim=-1)


def interleave(first_BD: Tensor, second_BD: Tensor) -> Tensor:
    """Two parts of a vector as `Fusion.parts` lays them out, (B, 2D)."""
    return torch.stack([first_BD, second_BD], dim=-1).flatten(1)


def _masked(tokens_BTD: Tensor | None, has_B1: Tensor) -> Tensor | None:
    return None if tokens_BTD is None else tokens_BTD * has_B1.unsqueeze(-1)
