"""The two towers on top of frozen encoder features.

Shapes: B batch, H feature width of an encoder, D shared width, P = parts * D width of the vectors
that are compared (`Fusion.parts`), T tokens, M images. The query tower never sees a product field;
what both towers share is how text and images are projected into the shared width.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from windowshop.config import ModelConfig
from windowshop.encoders import Layout
from windowshop.model.batches import ProductBatch, QueryBatch
from windowshop.model.fusion import make_fusion
from windowshop.model.fusion.base import Modalities
from windowshop.model.image_pooling import ImagePooling, total
from windowshop.model.layers import MAX_SCALE, Dropout, Standardised, ZeroStartMLP, mixed_precision

PAIR_TYPES = ("query_text", "query_image", "text_image", "query_product", "photo_product")
START_BIAS = -10.0
"""Start of the sigmoid loss' bias: nearly all pairs are negatives (arXiv:2303.15343)."""


class Projection(Standardised):
    """Pooled features -> unit vector: standardised, a linear map, an MLP that starts at zero."""

    def __init__(self, inputs: int, config: ModelConfig) -> None:
        super().__init__(inputs)
        self._drop_features = Dropout(config.feature_dropout)
        self._linear = nn.Linear(inputs, config.width)
        nn.init.normal_(self._linear.weight, std=1 / math.sqrt(inputs))
        nn.init.zeros_(self._linear.bias)
        self._residual = ZeroStartMLP(inputs, config.hidden, config.width, config.dropout)

    @torch.no_grad()
    def keep_distances(self, features_NH: Tensor) -> None:
        """Set the linear map to the features' principal directions, which keep their cosines."""
        _, _, axes_HH = torch.linalg.svd(self.standardise(features_NH), full_matrices=False)
        width = min(len(axes_HH), len(self._linear.weight))
        self._linear.weight.zero_()
        self._linear.weight[:width] = axes_HH[:width]

    def project(self, standard_BH: Tensor) -> Tensor:
        """Return unit vectors (B, D) of standardised features."""
        x_BH = self._drop_features(standard_BH)
        with mixed_precision(self):
            linear_BD = self._linear(x_BH)
        return F.normalize(linear_BD.to(x_BH.dtype) + self._residual(x_BH), dim=-1)

    def forward(self, x_BH: Tensor) -> Tensor:
        """Return unit vectors (B, D)."""
        return self.project(self.standardise(x_BH))


class Tokens(nn.Module):
    """Features -> tokens in the shared width, each plus a vector of its place.

    One for each pooled segment (a depth of the encoder) by a linear map of its own; one for each
    token of the encoder (a piece of the text, a place in the image), standardised, by a linear map
    that all of them share.
    """

    def __init__(self, layout: Layout, config: ModelConfig) -> None:
        super().__init__()
        self._layout = layout
        self._drop_features = Dropout(config.feature_dropout)
        self._linears = nn.ModuleList(_linear(w, config.width) for w in layout.segments)
        count = len(layout.segments) + layout.num_tokens
        self._type_TD = nn.Parameter(0.02 * torch.randn(count, config.width))
        if layout.num_tokens:
            self._shared = _linear(layout.token_width, config.width)
            self._scale = Standardised(layout.token_width)

    def fit_scale(self, features_BH: Tensor) -> None:
        """Learn mean and deviation of the encoder's tokens from a sample of the catalogue."""
        if self._layout.num_tokens:
            self._scale.fit_scale(self._layout.tokens_of(features_BH).flatten(0, 1))

    def forward(self, features_BH: Tensor, standard_BH: Tensor) -> Tensor:
        """Return tokens (B, T, D); `standard_BH` has the pooled parts, standardised."""
        parts = self._drop_features(standard_BH).split(self._layout.segments, dim=1)
        with mixed_precision(self):
            tokens = [linear(x_BS) for linear, x_BS in zip(self._linears, parts, strict=True)]
            tokens_BTD = torch.stack(tokens, dim=1)
            if self._layout.num_tokens:
                x_BKW = self._scale.standardise(self._layout.tokens_of(features_BH))
                own_BKD = self._shared(self._drop_features(x_BKW))
                tokens_BTD = torch.cat([tokens_BTD, own_BKD], dim=1)
        return tokens_BTD.to(standard_BH.dtype) + self._type_TD


def _linear(inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(linear.weight, std=1 / math.sqrt(inputs))
    return linear


class ImageQuery(nn.Module):
    """A shopper's image in the shared width: the product image's vector, adapted.

    The adaptation starts at zero and only image queries train it, so a shop without them searches
    by image with the product's own projection.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self._residual = ZeroStartMLP(width, config.hidden // 2, width, config.dropout)
        self._scale = math.sqrt(width)

    def forward(self, v_BD: Tensor) -> Tensor:
        """Return unit vectors (B, D)."""
        return F.normalize(v_BD + self._residual(v_BD * self._scale), dim=-1)


class TwoTower(nn.Module):
    """Query tower and product tower with one learned temperature a pair type."""

    def __init__(self, config: ModelConfig, text: Layout, image: Layout) -> None:
        """Build for features of the layouts `text` and `image`."""
        super().__init__()
        self.config = config
        self.text = Projection(text.pooled, config)
        self.image = Projection(image.pooled, config)
        self.photo_query = ImageQuery(config)
        self.pooling = ImagePooling(config)  # before the fusion: drawn alike under each of them
        hidden = config.fusion_hidden or config.hidden
        self.fusion = make_fusion(config.fusion, config.width, hidden, config.dropout)
        if self.fusion.needs_tokens:
            self.text_tokens = Tokens(text, config)
            self.image_tokens = Tokens(image, config)
        if self.fusion.has_own_text:
            self.fusion.own_text = Projection(text.pooled, config).requires_grad_(False)
            self.register_state_dict_post_hook(_name_on_disk)
            self.register_load_state_dict_pre_hook(_name_in_memory)
        start = torch.tensor(math.log(config.start_scale))
        self._log_scale = nn.ParameterDict({pair: start.clone() for pair in PAIR_TYPES})
        bias = torch.tensor(START_BIAS)
        self._bias = nn.ParameterDict({pair: bias.clone() for pair in PAIR_TYPES})

    @property
    def readers(self) -> tuple[list[Projection | Tokens], list[Projection | Tokens]]:
        """Modules that read the features of texts, and of images."""
        if not self.fusion.needs_tokens:
            return [self.text], [self.image]
        return [self.text, self.text_tokens], [self.image, self.image_tokens]

    @property
    def device(self) -> torch.device:
        """Where the weights are, and batches have to be."""
        return self.text.mean_H.device

    @property
    def width(self) -> int:
        """Width P of the vectors that `encode_queries` and `encode_products` give."""
        return self.widths[-1]

    @property
    def widths(self) -> tuple[int, ...]:
        """Every width that those vectors may be cut to, the full one last."""
        return tuple(self.fusion.parts * width for width in self.config.widths)

    def scale(self, pair: str) -> Tensor:
        """Logit scale (1 / temperature) of a pair type."""
        log_scale: Tensor = self._log_scale[pair]
        return log_scale.exp()

    def bias(self, pair: str) -> Tensor:
        """Logit bias of a pair type, which only the sigmoid loss reads."""
        bias: Tensor = self._bias[pair]
        return bias

    @torch.no_grad()
    def limit_scales(self) -> None:
        """Bring the learned scales back to MAX_SCALE, where their gradient would end (CLIP)."""
        for log_scale in self._log_scale.values():
            log_scale.clamp_(max=math.log(MAX_SCALE))

    def encode_queries(self, batch: QueryBatch) -> Tensor:
        """Return unit query vectors (B, P), to compare with those of `encode_products`."""
        return self.weigh_queries(batch, self.embed_for_fusion(batch))

    def weigh_queries(self, batch: QueryBatch, q_BD: Tensor) -> Tensor:
        """Return queries that `embed_for_fusion` embedded as `encode_queries` would, (B, P).

        The own text of one with an image is left out: by itself, "but blue" asks for anything blue.
        """
        has_text_B1, has_image_B1 = batch.has_B2[:, :1], batch.has_B2[:, 1:]
        own_BD = self.fusion.read_text(batch.text_BH)
        return self.fusion.weigh_queries(
            q_BD, None if own_BD is None else own_BD * has_text_B1 * (1 - has_image_B1)
        )

    def embed_queries(self, batch: QueryBatch) -> Tensor:
        """Return unit query vectors (B, D), to compare with text or image vectors.

        Text and image count alike where a query has both, the image as products show it: the
        adapter has learned to find the very product, which is not what "but blue" asks for.
        """
        return self._embed(batch, lambda v_BD: v_BD)

    def embed_for_fusion(self, batch: QueryBatch) -> Tensor:
        """Return unit query vectors (B, D) to weigh for fused vectors.

        Differs from `embed_queries` for an image with a text: it counts as a product of that image.
        """
        return self._embed(batch, self.fusion.image_alone)

    def _embed(self, batch: QueryBatch, show: Callable[[Tensor], Tensor]) -> Tensor:
        has_text_B1, has_image_B1 = batch.has_B2[:, :1], batch.has_B2[:, 1:]
        if not bool(has_image_B1.any()):
            text_BD: Tensor = self.text(batch.text_BH)
            return text_BD * has_text_B1
        shown_BD: Tensor = self.image(batch.image_BH)
        image_BD: Tensor = self.photo_query(shown_BD)
        if not bool(has_text_B1.any()):
            return image_BD * has_image_B1
        if bool(batch.has_B2.all(dim=1).any()):
            image_BD = torch.where(has_text_B1.bool(), show(shown_BD), image_BD)
        text_BD = self.text(batch.text_BH)
        return F.normalize(text_BD * has_text_B1 + image_BD * has_image_B1, dim=-1)

    def images_as_queries(self, v_BD: Tensor) -> Tensor:
        """Return image vectors as queries for products, (B, P)."""
        return self.fusion.weigh_queries(self.photo_query(v_BD))

    def encode_modalities(self, batch: ProductBatch) -> Modalities:
        """Return the fusion's inputs: unit text and image vectors, zero where absent.

        The image's are all zero under a fusion that never looks at it.
        """
        return self.modalities(batch.text_BH, batch.has_B2, lambda: self._encode_images(batch))

    def modalities(
        self,
        text_BH: Tensor,
        has_B2: Tensor,
        encode_images: Callable[[], tuple[Tensor, Tensor | None]],
    ) -> Modalities:
        """Return the fusion's inputs of texts, and of images that are encoded when needed.

        `encode_images` gives vectors (B, D), and tokens (B, T, D) if the fusion has any.
        """
        has_text_B1, has_image_B1 = has_B2[:, :1], has_B2[:, 1:]
        standard_BH = self.text.standardise(text_BH)
        t_BD = self.text.project(standard_BH) * has_text_B1
        if not self.fusion.uses_image:
            return Modalities(t_BD, torch.zeros_like(t_BD), has_B2)
        v_BD, tokens_BTD = encode_images()
        own_t_BD = self.fusion.read_text(text_BH)
        products = Modalities(
            t_BD=t_BD,
            v_BD=v_BD * has_image_B1,
            has_B2=has_B2,
            own_t_BD=None if own_t_BD is None else own_t_BD * has_text_B1,
        )
        if tokens_BTD is None:
            return products
        return replace(
            products,
            text_tokens_BTD=self.text_tokens(text_BH, standard_BH) * has_text_B1.unsqueeze(-1),
            image_tokens_BTD=tokens_BTD * has_image_B1.unsqueeze(-1),
        )

    def encode_products(self, batch: ProductBatch) -> Tensor:
        """Return fused unit product vectors (B, P); zero for a product with neither modality."""
        fused_BP: Tensor = self.fusion(self.encode_modalities(batch))
        return fused_BP

    def _encode_images(self, batch: ProductBatch) -> tuple[Tensor, Tensor | None]:
        """Vectors (B, D) over all images of each product; tokens (B, T, D) if the fusion has any.

        One image alone is left as it is. All vectors come before the tokens, whose dropout must not
        shift theirs: the stages before the fused one are the same under every fusion.
        """
        first_BH = self.image.standardise(batch.image_BH)
        first_BD = self.image.project(first_BH)
        if batch.further is None:
            tokens = self.fusion.needs_tokens
            return first_BD, self.image_tokens(batch.image_BH, first_BH) if tokens else None
        size = len(first_BD)
        further_MH = self.image.standardise(batch.further.image_MH)
        image_MD = torch.cat([first_BD, self.image.project(further_MH)])
        owner_M = torch.cat([torch.arange(size, device=first_BD.device), batch.further.owner_M])
        share_M = self.pooling.shares(image_MD, owner_M, size)
        several_B1 = (torch.bincount(owner_M, minlength=size) > 1).unsqueeze(1)
        pooled_BD = F.normalize(total(share_M.unsqueeze(1) * image_MD, owner_M, size), dim=-1)
        v_BD = torch.where(several_B1, pooled_BD, first_BD)
        if not self.fusion.needs_tokens:
            return v_BD, None
        first_BTD = self.image_tokens(batch.image_BH, first_BH)
        further_MTD = self.image_tokens(batch.further.image_MH, further_MH)
        token_MTD = torch.cat([first_BTD, further_MTD])
        pooled_BTD = total(share_M.view(-1, 1, 1) * token_MTD, owner_M, size)
        return v_BD, torch.where(several_B1.unsqueeze(1), pooled_BTD, first_BTD)


def _name_on_disk(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Name the weights of the fusion's own projection as model folders do: without `fusion.`."""
    _rename(state, f"{prefix}fusion.own_text.", f"{prefix}own_text.")


def _name_in_memory(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    _rename(state, f"{prefix}own_text.", f"{prefix}fusion.own_text.")


def _rename(state: dict[str, Tensor], old: str, new: str) -> None:
    for name in [name for name in state if name.startswith(old)]:
        state[new + name.removeprefix(old)] = state.pop(name)
