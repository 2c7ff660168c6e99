"""Fusions of products that lack a modality; gates; tokens."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from support.small_fusions import (
    BOTH,
    GATED,
    HAS,
    IMAGE,
    NOTHING,
    TEXT,
    TWO,
    WIDTH,
    WITH_EXPERTS,
    build,
    close,
    make_products,
    stored_image,
    stored_text,
)

from windowshop.model.fusion import FUSIONS
from windowshop.model.fusion.base import Modalities


@pytest.fixture
def products():
    return make_products(HAS)


@pytest.mark.parametrize("name", FUSIONS)
def test_one_modality_is_kept_as_it_is_at_the_start(name, products):
    fusion = build(name)
    fusion.start_from(0.7)
    fused_BP = fusion(products)
    close(fused_BP[TEXT], stored_text(fusion, products) * fusion.uses_text)
    close(fused_BP[IMAGE], stored_image(fusion, products) * fusion.uses_image)


@pytest.mark.parametrize("name", sorted(set(TWO) - WITH_EXPERTS))
def test_one_modality_is_kept_as_it_is_for_good(name, products):
    fusion = build(name, trained=True)
    fused_BP = fusion(products)
    close(fused_BP[TEXT], stored_text(fusion, products))
    close(fused_BP[IMAGE], stored_image(fusion, products))


@pytest.mark.parametrize("name", ["experts", "uniform_experts"])
def test_one_modality_reduces_experts_to_its_own(name, products):
    fusion = build(name, trained=True)
    t_BD, v_BD = products.t_BD, products.v_BD
    fused_BD = fusion(products)
    text_BD = F.normalize(t_BD + fusion._text(fusion._text_norm(t_BD)), dim=-1)
    image_BD = F.normalize(v_BD + fusion._image(fusion._image_norm(v_BD)), dim=-1)
    close(fused_BD[TEXT], text_BD[TEXT])
    close(fused_BD[IMAGE], image_BD[IMAGE])
    assert not torch.allclose(fused_BD[TEXT], t_BD[TEXT], atol=0.1)


def test_uniform_experts_count_alike(products):
    fusion = build("uniform_experts", trained=True)
    t_BD, v_BD = products.t_BD[BOTH], products.v_BD[BOTH]
    t0_BD, v0_BD = fusion._text_norm(t_BD), fusion._image_norm(v_BD)
    joint_BD = fusion._both(torch.cat([t0_BD, v0_BD, t0_BD * v0_BD], dim=1))
    experts = [t_BD + fusion._text(t0_BD), v_BD + fusion._image(v0_BD), (t_BD + v_BD) / 2]
    expected_BD = sum(experts) + joint_BD
    close(fusion(products)[BOTH], F.normalize(expected_BD, dim=-1))


@pytest.mark.parametrize("name", ["experts", "uniform_experts"])
def test_experts_never_read_a_missing_modality(name, products):
    fusion = build(name, trained=True)
    noise_BD = torch.randn(len(HAS), WIDTH, dtype=torch.float64)
    noisy_t_BD = torch.where(HAS[:, :1] > 0, products.t_BD, noise_BD)
    noisy_v_BD = torch.where(HAS[:, 1:] > 0, products.v_BD, noise_BD)
    assert torch.equal(fusion(Modalities(noisy_t_BD, noisy_v_BD, HAS)), fusion(products))


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", TWO)
def test_alone_equals_calls_with_one_modality(name, trained, products):
    fusion = build(name, trained=trained)
    for modality, alone_BP in enumerate(fusion.alone(products)):
        seen_B2 = torch.zeros_like(HAS)
        seen_B2[:, modality] = 1
        there = HAS[:, modality] > 0
        close(alone_BP[there], fusion(products.hidden(seen_B2))[there])


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", FUSIONS)
def test_gradients_are_finite(name, trained, products):
    fusion = build(name, trained=trained).train()
    raw = [products.t_BD.clone().requires_grad_(), products.v_BD.clone().requires_grad_()]
    fused_BP = fusion(replace(products, t_BD=raw[0], v_BD=raw[1]).hidden(HAS))
    (fused_BP * torch.randn_like(fused_BP)).sum().backward()
    for tensor in (*raw, *fusion.parameters()):
        assert tensor.grad is None or tensor.grad.isfinite().all()
    assert raw[0].grad is not None or not fusion.uses_text
    assert raw[1].grad is not None or not fusion.uses_image


@pytest.mark.parametrize("name", sorted(set(TWO) - {"average"}))
def test_after_one_step_gradients_reach_every_parameter(name):
    has_B2 = torch.ones(64, 2, dtype=torch.float64)
    has_B2[60:, 0] = 0
    products = make_products(has_B2)
    fusion = build(name)
    fusion.start_from(0.7)
    optimizer = torch.optim.SGD(fusion.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        products_BP = fusion(products)
        queries_BP = fusion.weigh_queries(products.v_BD.roll(1, dims=1), products.own_t_BD)
        (products_BP @ queries_BP.T).square().mean().backward()
        optimizer.step()
    for parameter_name, parameter in fusion.named_parameters():
        assert parameter.grad.abs().max() > 1e-9, parameter_name


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("trained", [False, True])
def test_gate_rows_sum_to_one_over_what_is_there(name, trained, products):
    gate_BE = build(name, trained=trained).gate(products)
    assert gate_BE.shape == (len(HAS), GATED[name])
    close(gate_BE[:NOTHING].sum(dim=1), torch.ones(NOTHING, dtype=torch.float64))
    assert (gate_BE[BOTH] > 0).all()
    assert gate_BE[TEXT].tolist() == [1, 0, 0][: GATED[name]]
    assert gate_BE[IMAGE].tolist() == [0, 1, 0][: GATED[name]]


@pytest.mark.parametrize("name", GATED)
def test_the_gate_starts_at_the_tuned_weight(name, products):
    fusion = build(name)
    fusion.start_from(0.7)
    gate_BE = fusion.gate(products)[BOTH]
    # The third expert is the plain mean, so half of it counts for the text.
    text_B = gate_BE[:, 0] + gate_BE[:, 2:].sum(dim=1) / 2
    close(text_B, torch.full((2,), 0.7, dtype=torch.float64))
    assert (gate_BE > 0).all()


@pytest.mark.parametrize("name", ["scalar_gate", "vector_gate"])
def test_a_trained_gate_weighs_by_product_and_by_dimension(name, products):
    fusion = build(name, trained=True)
    t_BD, v_BD = products.t_BD[BOTH], products.v_BD[BOTH]
    scale = WIDTH**0.5
    inputs = [t_BD * scale, v_BD * scale, t_BD * v_BD * WIDTH, HAS[BOTH]]
    gate_BG = torch.sigmoid(fusion._mlp(torch.cat(inputs, dim=1)))
    assert gate_BG.shape == (2, 1 if name == "scalar_gate" else WIDTH)
    close(fusion(products)[BOTH], F.normalize(gate_BG * t_BD + (1 - gate_BG) * v_BD, dim=-1))


@pytest.mark.parametrize("name", sorted(set(FUSIONS) - set(GATED)))
def test_the_others_have_no_gate(name, products):
    assert build(name).gate(products) is None


def test_cross_attention_reads_both_sides_and_in_no_order(products):
    fusion = build("cross_attention", trained=True)
    fused_BD = fusion(products)
    turned = Modalities(
        products.t_BD,
        products.v_BD,
        HAS,
        products.text_tokens_BTD.flip(1),
        products.image_tokens_BTD.flip(1),
    )
    close(fusion(turned), fused_BD)
    for tokens in ("text_tokens_BTD", "image_tokens_BTD"):
        fields = {n: getattr(products, n) for n in Modalities.__dataclass_fields__}
        other_BD = fusion(Modalities(**{**fields, tokens: -fields[tokens]}))
        assert not torch.allclose(other_BD[BOTH], fused_BD[BOTH], atol=1e-3)
        assert torch.equal(other_BD[TEXT:], fused_BD[TEXT:])


def test_hidden_modalities_take_their_tokens_with_them(products):
    seen_B2 = torch.tensor([[0.0, 1], [1, 0], [1, 1], [1, 0], [1, 1]], dtype=torch.float64)
    left = products.hidden(seen_B2)
    assert torch.equal(left.has_B2, HAS * seen_B2)
    for tensor, has_B in (
        (left.t_BD, left.has_B2[:, 0]),
        (left.text_tokens_BTD, left.has_B2[:, 0]),
        (left.v_BD, left.has_B2[:, 1]),
        (left.image_tokens_BTD, left.has_B2[:, 1]),
    ):
        assert torch.equal(tensor.flatten(1).norm(dim=1) > 0, has_B > 0)


def test_swapped_images_take_their_tokens_with_them(products):
    swapped = products.with_images_of(torch.tensor([1, 0, 2, 3, 4]))
    assert torch.equal(swapped.v_BD[BOTH], products.v_BD[BOTH].flip(0))
    assert torch.equal(swapped.image_tokens_BTD[BOTH], products.image_tokens_BTD[BOTH].flip(0))
    assert torch.equal(swapped.t_BD, products.t_BD)
    assert torch.equal(swapped.text_tokens_BTD, products.text_tokens_BTD)
    assert torch.equal(swapped.v_BD[TEXT:], products.v_BD[TEXT:])
