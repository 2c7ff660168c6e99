from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from support.small_fusions import (
    BOTH,
    HAS,
    IMAGE,
    NOTHING,
    PAIRS,
    TEXT,
    TUNED,
    TWO,
    WIDTH,
    build,
    close,
    make_products,
    rows,
    stand_in,
    stored_image,
    stored_text,
)

from windowshop.model.fusion import FUSIONS


@pytest.fixture
def products():
    return make_products(HAS)


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
    q_BD[5], own_BD[4:] = 0, 0  # one of an image alone, one of nothing
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
    close(fused_BP[IMAGE], stored_image(fusion, products))
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
