from dataclasses import replace
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from windowshop.config import FusionName
from windowshop.fusions import FUSIONS, Modalities, make_fusion

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


@pytest.fixture
def products():
    return make_products(HAS)


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
    """What a product with one vector is stored as; `first_BD` is that of the fusion's own tower."""
    if fusion.parts == 1:
        return x_BD
    if not fusion.has_own_text:
        return doubled(x_BD)
    return torch.stack([first_BD, x_BD], dim=-1).flatten(-2) / 2**0.5


def stored_text(fusion, products, items=TEXT):
    return stored(fusion, products.t_BD[items], products.own_t_BD[items])


def stored_photo(fusion, products, items=IMAGE):
    v_BD = products.v_BD[items]
    return stored(fusion, v_BD, stand_in(fusion, v_BD) if fusion.has_own_text else None)


def stand_in(fusion, x_BD):
    return F.normalize(fusion._stand_in(x_BD), dim=-1)


@pytest.mark.parametrize("weight", [0.05, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("name", TUNED)
def test_untrained_fusion_is_the_weighted_average(name, weight, products):
    fusion = build(name)
    fusion.start_from(weight)
    mixed_BD = weight * products.t_BD[BOTH] + (1 - weight) * products.v_BD[BOTH]
    close(fusion(products)[BOTH], F.normalize(mixed_BD, dim=-1))


@pytest.mark.parametrize("weight", [0.3, 0.5])
def test_uniform_experts_start_as_the_plain_average(weight, products):
    fusion = build("uniform_experts")
    fusion.start_from(weight)
    close(fusion(products)[BOTH], F.normalize(products.t_BD[BOTH] + products.v_BD[BOTH], dim=-1))


@pytest.mark.parametrize("weight", [0.05, 0.3, 0.5, 0.8, 0.95])
def test_untrained_query_weights_score_as_the_weighted_average(weight, products):
    fusion = build("query_weighted")
    fusion.start_from(weight)
    q_BD = make_products(torch.ones(4, 2, dtype=torch.float64), seed=7).t_BD
    scores_BC = fusion.weigh_queries(q_BD) @ fusion(products).T
    expected_BC = weight * q_BD @ products.t_BD.T + (1 - weight) * q_BD @ products.v_BD.T
    expected_BC[:, TEXT] = q_BD @ products.t_BD[TEXT]
    expected_BC[:, IMAGE] = q_BD @ products.v_BD[IMAGE]
    # Unit vectors: the stored pair has length sqrt(2), the weighed query that of its weights.
    lengths = (2 * (weight**2 + (1 - weight) ** 2)) ** 0.5
    close(scores_BC, expected_BC / lengths)


@pytest.mark.parametrize("weight", [0.3, 0.5])
def test_untrained_query_experts_score_half_by_text_half_by_the_average(weight, products):
    fusion = build("query_experts")
    fusion.start_from(weight)
    q_BD = make_products(torch.ones(4, 2, dtype=torch.float64), seed=7).t_BD
    scores_BC = fusion.weigh_queries(q_BD) @ fusion(products).T
    mixed_BD = F.normalize(weight * products.t_BD + (1 - weight) * products.v_BD, dim=-1)
    expected_BC = (q_BD @ products.t_BD.T + q_BD @ mixed_BD.T) / 2
    expected_BC[:, IMAGE] = q_BD @ products.v_BD[IMAGE]
    close(scores_BC, expected_BC)


def test_query_experts_store_the_text_expert_and_the_mixture(products):
    fusion = build("query_experts", trained=True)
    p_BP = fusion(products)
    close(p_BP[BOTH, 0::2] * 2**0.5, fusion._experts.alone(products)[0][BOTH])
    close(p_BP[:, 1::2] * 2**0.5, fusion._experts(products))
    assert torch.equal(p_BP[IMAGE, 0::2], p_BP[IMAGE, 1::2])


@pytest.mark.parametrize("weight", [0.3, 0.5])
def test_untrained_text_tower_experts_with_the_shared_text_are_query_experts(weight, products):
    other, fusion = build("query_experts"), build("text_tower_experts")
    missing = fusion.load_state_dict(other.state_dict(), strict=False)
    assert missing.missing_keys == ["_stand_in.weight"]
    for each in (other, fusion):
        each.start_from(weight)
    close(fusion(replace(products, own_t_BD=products.t_BD)), other(products))
    q_BD = make_products(torch.ones(4, 2, dtype=torch.float64), seed=7).t_BD
    close(fusion.weigh_queries(q_BD, q_BD), other.weigh_queries(q_BD))


def test_text_tower_experts_keep_their_towers_vectors_and_learn_the_rest(products):
    fusion = build("text_tower_experts", trained=True)
    p_BP = fusion(products)
    close(p_BP[:3, 0::2] * 2**0.5, products.own_t_BD[:3])
    close(p_BP[:, 1::2] * 2**0.5, fusion._experts(products))
    image_BD = fusion._experts.alone(products)[1]
    close(p_BP[IMAGE, 0::2] * 2**0.5, stand_in(fusion, image_BD)[IMAGE])


def test_a_query_asks_the_text_tower_with_its_vector_there(products):
    fusion = build("text_tower_experts", trained=True)
    asked = make_products(torch.ones(6, 2, dtype=torch.float64), seed=7)
    q_BD, own_BD = asked.t_BD, asked.own_t_BD
    q_BD[5], own_BD[4:] = 0, 0  # one of a photo alone, one of nothing
    weighed_BP = fusion.weigh_queries(q_BD, own_BD)
    assert torch.equal(weighed_BP[5], torch.zeros_like(weighed_BP[5]))
    b_B1 = fusion.query_weight(q_BD[:4])
    length_B1 = (b_B1**2 + (1 - b_B1) ** 2).sqrt()
    close(weighed_BP[:4, 0::2], b_B1 * own_BD[:4] / length_B1)
    close(weighed_BP[:4, 1::2], (1 - b_B1) * q_BD[:4] / length_B1)
    close(weighed_BP[4, 1::2], q_BD[4])
    close(fusion.weigh_queries(q_BD[4:5]), weighed_BP[4:5])


def test_a_trained_query_weight_differs_by_query_and_spares_lone_modalities(products):
    fusion = build("query_weighted", trained=True)
    q_BD = make_products(torch.ones(6, 2, dtype=torch.float64), seed=7).t_BD
    weighed_BP = fusion.weigh_queries(q_BD)
    close(weighed_BP.norm(dim=1), torch.ones(6, dtype=torch.float64))
    text_BD, image_BD = weighed_BP[:, 0::2], weighed_BP[:, 1::2]
    share_B = text_BD.norm(dim=1) / (text_BD.norm(dim=1) + image_BD.norm(dim=1))
    assert share_B.std() > 0.01
    close(text_BD + image_BD, (text_BD + image_BD).norm(dim=1, keepdim=True) * q_BD)
    scores_BC = weighed_BP @ fusion(products).T
    own_B = (text_BD + image_BD).norm(dim=1) / 2**0.5
    close(scores_BC[:, TEXT], own_B * (q_BD @ products.t_BD[TEXT]))
    close(scores_BC[:, IMAGE], own_B * (q_BD @ products.v_BD[IMAGE]))


def test_a_prefix_of_a_stored_pair_is_a_prefix_of_both(products):
    p_BP = build("query_weighted")(products)
    assert p_BP.shape == (5, 2 * WIDTH)
    expected_BP = torch.cat([products.t_BD[:, :3], products.v_BD[:, :3]], dim=1)[BOTH] / 2**0.5
    close(torch.cat([p_BP[:, :6][:, 0::2], p_BP[:, :6][:, 1::2]], dim=1)[BOTH], expected_BP)


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("name", TWO)
def test_a_weight_of_0_or_1_switches_no_modality_off(name, weight, products):
    fusion = build(name)
    fusion.start_from(weight)
    fused_BP = fusion(products)
    close(fused_BP[TEXT], stored_text(fusion, products))
    close(fused_BP[IMAGE], stored_photo(fusion, products))
    for parameter in fusion.state_dict().values():
        assert parameter.isfinite().all()


@pytest.mark.parametrize("name", FUSIONS)
def test_queries_are_compared_with_what_products_are_stored_as(name, products):
    fusion = build(name, trained=True)
    weighed_BP = fusion.weigh_queries(products.t_BD[BOTH])
    assert weighed_BP.shape[1] == fusion(products).shape[1] == fusion.parts * WIDTH
    assert fusion.parts == (2 if name in PAIRS else 1)
    if fusion.parts == 1:
        assert torch.equal(weighed_BP, products.t_BD[BOTH])


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", FUSIONS)
def test_products_get_unit_vectors_and_nothing_gets_zero(name, trained, products):
    fusion = build(name, trained=trained)
    norms_B = fusion(products).norm(dim=1)
    seen_B = HAS @ HAS.new_tensor([float(fusion.uses_text), float(fusion.uses_image)]) > 0
    close(norms_B, seen_B.double())
    assert norms_B[NOTHING] == 0


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", FUSIONS)
def test_a_product_never_depends_on_the_others(name, trained, products):
    fusion = build(name, trained=trained)
    together_BP = fusion(products)
    for i in range(len(HAS)):
        close(fusion(rows(products, slice(i, i + 1)))[0], together_BP[i])


@pytest.mark.parametrize("name", FUSIONS)
def test_one_modality_is_kept_as_it_is_at_the_start(name, products):
    fusion = build(name)
    fusion.start_from(0.7)
    fused_BP = fusion(products)
    close(fused_BP[TEXT], stored_text(fusion, products) * fusion.uses_text)
    close(fused_BP[IMAGE], stored_photo(fusion, products) * fusion.uses_image)


@pytest.mark.parametrize("name", sorted(set(TWO) - WITH_EXPERTS))
def test_one_modality_is_kept_as_it_is_for_good(name, products):
    fusion = build(name, trained=True)
    fused_BP = fusion(products)
    close(fused_BP[TEXT], stored_text(fusion, products))
    close(fused_BP[IMAGE], stored_photo(fusion, products))


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


def test_swapped_photos_take_their_tokens_with_them(products):
    swapped = products.with_photos_of(torch.tensor([1, 0, 2, 3, 4]))
    assert torch.equal(swapped.v_BD[BOTH], products.v_BD[BOTH].flip(0))
    assert torch.equal(swapped.image_tokens_BTD[BOTH], products.image_tokens_BTD[BOTH].flip(0))
    assert torch.equal(swapped.t_BD, products.t_BD)
    assert torch.equal(swapped.text_tokens_BTD, products.text_tokens_BTD)
    assert torch.equal(swapped.v_BD[TEXT:], products.v_BD[TEXT:])


def test_every_named_fusion_is_built():
    assert set(FUSIONS) == set(get_args(FusionName))
