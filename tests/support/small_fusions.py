"""Fusions of eight dimensions, and products with both modalities, one, or none."""

import torch
import torch.nn.functional as F

from windowshop.model.fusion import FUSIONS, make_fusion
from windowshop.model.fusion.base import Modalities

WIDTH = 8
HAS = torch.tensor([[1.0, 1], [1, 1], [1, 0], [0, 1], [0, 0]], dtype=torch.float64)
BOTH, TEXT, IMAGE, NOTHING = slice(0, 2), 2, 3, 4
ONE_MODALITY = {"text_only", "image_only"}
TWO = sorted(set(FUSIONS) - ONE_MODALITY)
PAIRS = {"query_weighted", "query_experts", "text_tower_experts"}
TUNED = sorted(set(TWO) - {"uniform_experts", *PAIRS})
WITH_EXPERTS = {"experts", "uniform_experts", *PAIRS, "concat_linear"} - {"query_weighted"}
"""Fusions that learn to change the vector of a product with one modality."""
GATED = {
    "experts": 3,
    "query_experts": 3,
    "text_tower_experts": 3,
    "scalar_gate": 2,
    "vector_gate": 2,
}


def make_products(has_B2, seed=1):
    """Unit vectors and tokens of as many products as rows, zero where `has_B2` says so."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(len(has_B2), *shape, generator=generator, dtype=torch.float64)

    t_BD, v_BD = F.normalize(draw(WIDTH), dim=-1), F.normalize(draw(WIDTH), dim=-1)
    tokens = draw(2, WIDTH), draw(3, WIDTH)
    own_BD = F.normalize(draw(WIDTH), dim=-1)
    return Modalities(t_BD, v_BD, torch.ones_like(has_B2), *tokens, own_BD).hidden(has_B2)


def build(name, *, trained=False):
    torch.manual_seed(0)
    fusion = make_fusion(name, WIDTH, 16, 0.3).double().eval()
    if trained:
        with torch.no_grad():
            for parameter in fusion.parameters():
                parameter.normal_(std=0.5)
    return fusion


def rows(products, items):
    fields = (products.t_BD, products.v_BD, products.has_B2)
    tokens = (products.text_tokens_BTD, products.image_tokens_BTD)
    return Modalities(*(field[items] for field in (*fields, *tokens, products.own_t_BD)))


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def doubled(x_BD):
    """Both parts of a stored pair by hand: entries 0, 0, 1, 1, ... of one vector."""
    return x_BD.repeat_interleave(2, dim=-1) / 2**0.5


def stored(fusion, x_BD, first_BD=None):
    """Stored form of a product with one vector; `first_BD` is of the fusion's own tower."""
    if fusion.parts == 1:
        return x_BD
    if not fusion.has_own_text:
        return doubled(x_BD)
    return torch.stack([first_BD, x_BD], dim=-1).flatten(-2) / 2**0.5


def stored_text(fusion, products, items=TEXT):
    return stored(fusion, products.t_BD[items], products.own_t_BD[items])


def stored_image(fusion, products, items=IMAGE):
    v_BD = products.v_BD[items]
    return stored(fusion, v_BD, stand_in(fusion, v_BD) if fusion.has_own_text else None)


def stand_in(fusion, x_BD):
    return F.normalize(fusion._stand_in(x_BD), dim=-1)
