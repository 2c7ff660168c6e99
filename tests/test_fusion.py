from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from windowshop.config import FusionName
from windowshop.fusion import FUSIONS, make_fusion

WIDTH = 8
HAS = torch.tensor([[1.0, 1], [1, 1], [1, 0], [0, 1], [0, 0]])
BOTH, TEXT, IMAGE, NOTHING = slice(0, 2), 2, 3, 4


@pytest.fixture
def vectors():
    """Unit text and photo vectors of five products, zero where HAS says so."""
    torch.manual_seed(1)
    t_BD, v_BD = F.normalize(torch.randn(2, 5, WIDTH), dim=-1)
    return t_BD * HAS[:, :1], v_BD * HAS[:, 1:]


def build(name, *, trained=False):
    torch.manual_seed(0)
    fusion = make_fusion(name, WIDTH, 16, 0.3).eval()
    if trained:
        with torch.no_grad():
            for parameter in fusion.parameters():
                parameter.normal_(std=0.5)
    return fusion


@pytest.mark.parametrize("weight", [0.05, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("name", ["experts", "average"])
def test_untrained_fusion_is_the_weighted_average(name, weight, vectors):
    t_BD, v_BD = (x_BD[BOTH] for x_BD in vectors)
    fusion = build(name)
    fusion.start_from(weight)
    expected_BD = F.normalize(weight * t_BD + (1 - weight) * v_BD, dim=-1)
    torch.testing.assert_close(fusion(t_BD, v_BD, HAS[BOTH]), expected_BD, rtol=0, atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("name", ["experts", "average"])
def test_a_weight_of_0_or_1_switches_no_modality_off(name, weight, vectors):
    fusion = build(name)
    fusion.start_from(weight)
    fused_BD = fusion(*vectors, HAS)
    torch.testing.assert_close(fused_BD[TEXT], vectors[0][TEXT])
    torch.testing.assert_close(fused_BD[IMAGE], vectors[1][IMAGE])


@pytest.mark.parametrize("name", FUSIONS)
def test_start_from_changes_nothing_but_the_start(name, vectors):
    fusion = build(name)
    fusion.start_from(0.7)
    assert fusion(*vectors, HAS).isfinite().all()
    assert set(fusion.state_dict()) == set(build(name).state_dict())


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", FUSIONS)
def test_products_get_unit_vectors_and_nothing_gets_zero(name, trained, vectors):
    fusion = build(name, trained=trained)
    norms_B = fusion(*vectors, HAS).norm(dim=1)
    seen_B = HAS @ torch.tensor([float(fusion.uses_text), float(fusion.uses_image)]) > 0
    torch.testing.assert_close(norms_B, seen_B.float())
    assert norms_B[NOTHING] == 0


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", FUSIONS)
def test_a_product_never_depends_on_the_others(name, trained, vectors):
    fusion = build(name, trained=trained)
    together_BD = fusion(*vectors, HAS)
    for i in range(len(HAS)):
        alone_1D = fusion(vectors[0][i : i + 1], vectors[1][i : i + 1], HAS[i : i + 1])
        torch.testing.assert_close(alone_1D[0], together_BD[i])


@pytest.mark.parametrize("name", FUSIONS)
def test_one_modality_is_kept_as_it_is_at_the_start(name, vectors):
    fusion = build(name)
    fused_BD = fusion(*vectors, HAS)
    torch.testing.assert_close(fused_BD[TEXT], vectors[0][TEXT] * fusion.uses_text)
    torch.testing.assert_close(fused_BD[IMAGE], vectors[1][IMAGE] * fusion.uses_image)


@pytest.mark.parametrize("name", ["average", "concat_mlp"])
def test_one_modality_is_kept_as_it_is_for_good(name, vectors):
    fused_BD = build(name, trained=True)(*vectors, HAS)
    torch.testing.assert_close(fused_BD[TEXT], vectors[0][TEXT])
    torch.testing.assert_close(fused_BD[IMAGE], vectors[1][IMAGE])


def test_one_modality_reduces_experts_to_its_own(vectors):
    fusion = build("experts", trained=True)
    t_BD, v_BD = vectors
    fused_BD = fusion(t_BD, v_BD, HAS)
    text_BD = F.normalize(t_BD + fusion._text(fusion._text_norm(t_BD)), dim=-1)
    image_BD = F.normalize(v_BD + fusion._image(fusion._image_norm(v_BD)), dim=-1)
    torch.testing.assert_close(fused_BD[TEXT], text_BD[TEXT])
    torch.testing.assert_close(fused_BD[IMAGE], image_BD[IMAGE])
    assert not torch.allclose(fused_BD[TEXT], t_BD[TEXT], atol=0.1)


def test_experts_never_read_a_missing_modality(vectors):
    fusion = build("experts", trained=True)
    t_BD, v_BD = vectors
    noise_BD = torch.randn(len(HAS), WIDTH)
    noisy_t_BD = torch.where(HAS[:, :1] > 0, t_BD, noise_BD)
    noisy_v_BD = torch.where(HAS[:, 1:] > 0, v_BD, noise_BD)
    assert torch.equal(fusion(noisy_t_BD, noisy_v_BD, HAS), fusion(t_BD, v_BD, HAS))


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", ["experts", "average", "concat_mlp"])
def test_alone_equals_calls_with_one_modality(name, trained, vectors):
    fusion = build(name, trained=trained)
    t_BD, v_BD = vectors
    for modality, alone_BD in enumerate(fusion.alone(t_BD, v_BD)):
        seen_B2 = torch.zeros_like(HAS)
        seen_B2[:, modality] = HAS[:, modality]
        there = seen_B2[:, modality] > 0
        expected_BD = fusion(t_BD * seen_B2[:, :1], v_BD * seen_B2[:, 1:], seen_B2)
        torch.testing.assert_close(alone_BD[there], expected_BD[there])


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", FUSIONS)
def test_gradients_are_finite(name, trained, vectors):
    fusion = build(name, trained=trained).train()
    raw = [x_BD.clone().requires_grad_() for x_BD in vectors]
    fused_BD = fusion(raw[0] * HAS[:, :1], raw[1] * HAS[:, 1:], HAS)
    (fused_BD * torch.randn_like(fused_BD)).sum().backward()
    for tensor in (*raw, *fusion.parameters()):
        assert tensor.grad is None or tensor.grad.isfinite().all()
    assert raw[0].grad is not None or not fusion.uses_text
    assert raw[1].grad is not None or not fusion.uses_image


@pytest.mark.parametrize("trained", [False, True])
def test_gate_rows_sum_to_one_over_what_is_there(trained, vectors):
    gate_BE = build("experts", trained=trained).gate(*vectors, HAS)
    torch.testing.assert_close(gate_BE.sum(dim=1), torch.ones(len(HAS)))
    assert (gate_BE[BOTH] > 0).all()
    assert gate_BE[TEXT].tolist() == [1, 0, 0]
    assert gate_BE[IMAGE].tolist() == [0, 1, 0]


def test_the_gate_starts_at_the_tuned_weight(vectors):
    fusion = build("experts")
    fusion.start_from(0.7)
    gate_BE = fusion.gate(*vectors, HAS)[BOTH]
    # The third expert is the plain mean, so half of it counts for the text.
    torch.testing.assert_close(gate_BE[:, 0] + gate_BE[:, 2] / 2, torch.full((2,), 0.7))
    assert (gate_BE > 0).all()


@pytest.mark.parametrize("name", sorted(set(FUSIONS) - {"experts"}))
def test_only_experts_have_a_gate(name, vectors):
    assert build(name).gate(*vectors, HAS) is None


def test_every_named_fusion_is_built():
    assert set(FUSIONS) == set(get_args(FusionName))
