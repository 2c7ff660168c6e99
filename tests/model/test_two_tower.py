import dataclasses
from dataclasses import replace
from typing import get_type_hints

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from windowshop.encoders.layout import Layout
from windowshop.model.batches import ProductBatch, QueryBatch
from windowshop.model.fusion import FUSIONS
from windowshop.model.layers import CLIP_SIGMA
from windowshop.model.two_tower import PAIR_TYPES, Projection, Tokens, TwoTower

TEXT_WIDTH, IMAGE_WIDTH = 6, 5
LAYOUTS = Layout((4, 2)), Layout((2, 2, 1))


@pytest.fixture
def model(toy_model_config):
    torch.manual_seed(0)
    return TwoTower(replace(toy_model_config, fusion="experts"), *LAYOUTS).eval()


@pytest.fixture
def trained(model):
    return randomised(model)


def randomised(model):
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model


@pytest.fixture(params=FUSIONS)
def any_trained(request, toy_model_config):
    """Towers of every fusion, with random weights."""
    torch.manual_seed(0)
    config = replace(toy_model_config, fusion=request.param)
    return randomised(TwoTower(config, *LAYOUTS).eval())


def make_batch(kind, has):
    """Features of as many items as `has` has rows, zeros where absent."""
    generator = torch.Generator().manual_seed(2)
    has_B2 = torch.tensor(has, dtype=torch.float32)
    text_BH = torch.randn(len(has), TEXT_WIDTH, generator=generator) * has_B2[:, :1]
    image_BH = torch.randn(len(has), IMAGE_WIDTH, generator=generator) * has_B2[:, 1:]
    return kind(text_BH, image_BH, has_B2)


def rows(batch, items):
    return type(batch)(batch.text_BH[items], batch.image_BH[items], batch.has_B2[items])


@pytest.fixture
def projection(toy_model_config):
    torch.manual_seed(0)
    projection = Projection(4, toy_model_config).eval()
    with torch.no_grad():
        for parameter in projection.parameters():
            parameter.normal_()
    return projection


def test_projection_standardises_features(projection):
    sample_BH = torch.randn(500, 4)
    plain_BD = projection(sample_BH - sample_BH.mean(dim=0))
    moved_BH = sample_BH * torch.tensor([1.0, 20, 0.1, 5]) + torch.tensor([3.0, -100, 0, 7])
    projection.fit_scale(sample_BH)
    standard_BD = projection(sample_BH)
    projection.fit_scale(moved_BH)
    torch.testing.assert_close(projection(moved_BH), standard_BD, rtol=0, atol=1e-4)
    assert not torch.allclose(plain_BD, standard_BD, atol=1e-6)


def test_projection_clips_outliers(projection):
    sample_BH = torch.randn(500, 4) * 3 + 1
    projection.fit_scale(sample_BH)
    edge_BH = projection.mean_H + CLIP_SIGMA * projection.deviation_H.repeat(2, 1)
    far_BH, near_BH = edge_BH.clone(), edge_BH.clone()
    far_BH[0, 2], near_BH[0, 2] = 1e9, 0.0
    edge_BD = projection(edge_BH)
    torch.testing.assert_close(projection(far_BH), edge_BD)
    assert not torch.allclose(projection(near_BH)[0], edge_BD[0], atol=1e-3)


def test_a_constant_feature_does_no_harm(projection):
    sample_BH = torch.randn(100, 4)
    sample_BH[:, 1] = 0.1
    projection.fit_scale(sample_BH)
    slip_BH = sample_BH.clone()
    slip_BH[:, 1] += 1e-6
    torch.testing.assert_close(projection(slip_BH), projection(sample_BH), rtol=0, atol=0.01)


def test_projection_gives_unit_vectors(projection):
    norms_B = projection(100 * torch.randn(20, 4)).norm(dim=1)
    torch.testing.assert_close(norms_B, torch.ones(20))


@pytest.mark.parametrize(
    "has",
    [
        [[1, 0]] * 3,
        [[0, 1]] * 3,
        [[1, 1]] * 3,
        [[1, 0], [0, 1], [1, 1], [0, 0]],
        [[1, 0], [0, 0]],
        [[0, 1], [0, 0]],
        [[0, 0]],
    ],
    ids=["text", "photo", "both", "mixed", "text-nothing", "photo-nothing", "nothing"],
)
@pytest.mark.parametrize("towers", ["model", "trained"])
def test_a_batch_of_queries_equals_row_by_row(towers, has, request):
    model = request.getfixturevalue(towers)
    batch = make_batch(QueryBatch, has)
    together_BD = model.encode_queries(batch)
    for i in range(len(has)):
        alone_1D = model.encode_queries(rows(batch, slice(i, i + 1)))
        torch.testing.assert_close(alone_1D[0], together_BD[i])
    torch.testing.assert_close(together_BD.norm(dim=1), batch.has_B2.amax(dim=1))


def test_text_and_image_of_a_query_count_alike(trained):
    batch = make_batch(QueryBatch, [[1, 1]])
    text_1D = trained.encode_queries(QueryBatch(*_parts(batch), torch.tensor([[1.0, 0]])))
    both_1D = trained.encode_queries(batch)
    expected_1D = text_1D + trained.fusion.image_alone(trained.image(batch.image_BH))
    torch.testing.assert_close(both_1D, expected_1D / expected_1D.norm())


def test_the_adapter_is_for_images_alone(trained):
    alone, both = make_batch(QueryBatch, [[0, 1]]), make_batch(QueryBatch, [[1, 1]])
    before = trained.encode_queries(alone), trained.encode_queries(both)
    with torch.no_grad():
        for weight in trained.photo_query.parameters():
            weight += 0.1
    assert not torch.allclose(trained.encode_queries(alone), before[0], atol=1e-3)
    torch.testing.assert_close(trained.encode_queries(both), before[1])


def _parts(batch):
    return batch.text_BH, batch.image_BH


def test_a_image_query_starts_as_the_product_image(model):
    has = [[0, 1]] * 4
    query_BD = model.encode_queries(make_batch(QueryBatch, has))
    v_BD = model.encode_modalities(make_batch(ProductBatch, has)).v_BD
    torch.testing.assert_close(query_BD, v_BD)
    torch.testing.assert_close(query_BD, model.encode_products(make_batch(ProductBatch, has)))


def test_products_are_fused_from_their_modalities(trained):
    has = [[1, 1], [1, 0], [0, 1], [0, 0]]
    batch = make_batch(ProductBatch, has)
    products = trained.encode_modalities(batch)
    t_BD, v_BD = products.t_BD, products.v_BD
    torch.testing.assert_close(t_BD.norm(dim=1), batch.has_B2[:, 0])
    torch.testing.assert_close(v_BD.norm(dim=1), batch.has_B2[:, 1])
    p_BD = trained.encode_products(batch)
    assert torch.equal(p_BD, trained.fusion(products))
    torch.testing.assert_close(p_BD.norm(dim=1), torch.tensor([1.0, 1, 1, 0]))


def test_vectors_have_the_full_matryoshka_width(model, toy_model_config):
    assert toy_model_config.widths == (4, 8)
    has = [[1, 1], [1, 0]]
    assert model.encode_queries(make_batch(QueryBatch, has)).shape == (2, 8)
    assert model.encode_products(make_batch(ProductBatch, has)).shape == (2, 8)


def test_each_pair_type_has_its_own_scale(model, toy_model_config):
    names = [name for name, _ in model.named_parameters() if "scale" in name]
    assert len(names) == len(PAIR_TYPES)
    for pair in PAIR_TYPES:
        assert model.scale(pair).item() == pytest.approx(toy_model_config.start_scale, rel=1e-6)


def test_the_query_tower_never_sees_a_product(any_trained):
    for method in (TwoTower.encode_queries, TwoTower.embed_queries, TwoTower.embed_for_fusion):
        assert get_type_hints(method) == {"batch": QueryBatch, "return": Tensor}
    fields = {field.name for field in dataclasses.fields(QueryBatch)}
    assert fields == {"text_BH", "image_BH", "has_B2"}
    batch = make_batch(QueryBatch, [[1, 0], [0, 1]])
    any_trained.encode_queries(batch).sum().backward()
    reached = [n.split(".") for n, p in any_trained.named_parameters() if p.grad is not None]
    own = {part for part, *_ in reached if part != "fusion"}
    assert own == {"text", "image", "photo_query"}
    # Of the fusion a query meets only what weighs it; that reads nothing but the query.
    assert {part for first, part, *_ in reached if first == "fusion"} <= {"_query_weight"}


QUERY_KINDS = [[1, 0], [0, 1], [1, 1], [0, 0]]


def test_queries_and_products_of_any_fusion_can_be_compared(any_trained):
    parts = any_trained.fusion.parts
    assert any_trained.widths == (4 * parts, 8 * parts)
    queries = any_trained.encode_queries(make_batch(QueryBatch, QUERY_KINDS))
    products = any_trained.encode_products(make_batch(ProductBatch, QUERY_KINDS))
    assert queries.shape == products.shape == (4, any_trained.width)
    torch.testing.assert_close(queries.norm(dim=1), torch.tensor([1.0, 1, 1, 0]))


def test_one_modality_is_compared_with_queries_before_they_are_weighed(any_trained):
    batch = make_batch(QueryBatch, QUERY_KINDS)
    embedded_BD = any_trained.embed_for_fusion(batch)
    assert embedded_BD.shape == any_trained.embed_queries(batch).shape == (4, 8)
    weighed_BP = any_trained.encode_queries(batch)
    assert torch.equal(weighed_BP, any_trained.weigh_queries(batch, embedded_BD))
    if not any_trained.fusion.has_own_text:
        assert torch.equal(weighed_BP, any_trained.fusion.weigh_queries(embedded_BD))


def test_a_image_with_a_text_asks_as_a_product_of_the_image_alone_is_stored(any_trained):
    if not any_trained.fusion.uses_image:
        pytest.skip("no image is stored")
    parts, has = any_trained.fusion.parts, [[0, 1]] * 4
    images = any_trained.encode_modalities(make_batch(ProductBatch, has))
    shown_BD = any_trained.fusion(images)[:, parts - 1 :: parts]
    batch = make_batch(QueryBatch, [[1, 1]] * 4)
    text_BD, shown_BD = (
        F.normalize(x, dim=-1) for x in (any_trained.text(batch.text_BH), shown_BD)
    )
    torch.testing.assert_close(
        any_trained.embed_for_fusion(batch), F.normalize(text_BD + shown_BD, dim=-1)
    )
    alone = make_batch(QueryBatch, [[1, 0], [0, 1]])
    assert torch.equal(any_trained.embed_for_fusion(alone), any_trained.embed_queries(alone))


def test_a_products_image_as_a_query_is_weighed_like_any_image_query(any_trained):
    has = [[0, 1]] * 3
    v_BD = any_trained.image(make_batch(ProductBatch, has).image_BH)
    queries_BP = any_trained.encode_queries(make_batch(QueryBatch, has))
    torch.testing.assert_close(any_trained.images_as_queries(v_BD), queries_BP)


def test_tokens_are_made_only_where_they_are_needed(any_trained):
    products = any_trained.encode_modalities(make_batch(ProductBatch, QUERY_KINDS))
    if not any_trained.fusion.needs_tokens:
        assert products.text_tokens_BTD is None
        assert products.image_tokens_BTD is None
        assert not any("tokens" in name for name in any_trained.state_dict())
        return
    assert products.text_tokens_BTD.shape == (4, 2, 8)
    assert products.image_tokens_BTD.shape == (4, 3, 8)
    for tokens_BTD, has_B in (
        (products.text_tokens_BTD, products.has_B2[:, 0]),
        (products.image_tokens_BTD, products.has_B2[:, 1]),
    ):
        assert torch.equal(tokens_BTD.flatten(1).norm(dim=1) > 0, has_B > 0)


def test_each_token_reads_its_own_segment(toy_model_config):
    torch.manual_seed(0)
    tokens = Tokens(Layout((2, 3, 1)), toy_model_config).eval()
    x_BH = torch.randn(4, 6)
    before_BTD = tokens(x_BH, x_BH)
    after_BH = x_BH.clone()
    after_BH[:, 2:5] += 1
    changed_T = (tokens(x_BH, after_BH) != before_BTD).any(dim=2).any(dim=0)
    assert changed_T.tolist() == [False, True, False]
    # No features, nothing but the type.
    none_BH = torch.zeros(1, 6)
    torch.testing.assert_close(tokens(none_BH, none_BH)[0], tokens._type_TD)
