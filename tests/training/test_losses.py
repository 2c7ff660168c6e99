import math

import pytest
import torch
import torch.nn.functional as F

from windowshop.training.losses import gate_balance, info_nce, make_targets, matryoshka

SCALE = torch.tensor(7.0, dtype=torch.float64)


def random_batch(seed, queries=7, products=9, width=5):
    """Unit vectors, grades 0-3 with many zeros, and a few ignored pairs."""
    generator = torch.Generator().manual_seed(seed)
    query_BD = F.normalize(
        torch.randn(queries, width, generator=generator, dtype=torch.float64), dim=1
    )
    product_CD = F.normalize(
        torch.randn(products, width, generator=generator, dtype=torch.float64), dim=1
    )
    grade_BC = torch.randint(-4, 4, (queries, products), generator=generator).clamp(min=0).float()
    ignore_BC = torch.rand(queries, products, generator=generator) < 0.2
    return query_BD, product_CD, grade_BC, ignore_BC


def loss_of(query_BD, product_CD, grade_BC, ignore_BC, scale=SCALE):
    return info_nce(query_BD, product_CD, make_targets(grade_BC, ignore_BC), scale)


def loop_loss(query_BD, product_CD, grade_BC, ignore_BC, scale):
    """The definition, one pair at a time."""
    s = (scale * query_BD @ product_CD.T).tolist()
    kept = {
        (i, j): grade_BC[i, j].item()
        for i in range(len(s))
        for j in range(len(s[0]))
        if not ignore_BC[i, j]
    }
    levels = sorted({grade for grade in kept.values() if grade > 0})
    total = 0.0
    for level in levels:
        gain = (2**level - 1) / (2 ** levels[-1] - 1)
        for side, share in ((0, 1.0), (1, 0.5)):
            owners = {}
            for pair in (pair for pair, grade in kept.items() if grade == level):
                negatives = [
                    math.exp(s[i][j])
                    for (i, j), grade in kept.items()
                    if (i, j)[side] == pair[side] and grade < level
                ]
                own = s[pair[0]][pair[1]]
                loss = -own + math.log(math.exp(own) + sum(negatives))
                owners.setdefault(pair[side], []).append(loss)
            means = [sum(losses) / len(losses) for losses in owners.values()]
            total += gain * share * sum(means) / len(means)
    return total


@pytest.mark.parametrize("seed", range(8))
def test_info_nce_equals_the_loop(seed):
    batch = random_batch(seed)
    assert loss_of(*batch).item() == pytest.approx(loop_loss(*batch, SCALE.item()), rel=1e-7)


def test_info_nce_by_hand():
    # Unit axes and scale ln 3: exp(s) is 3 for a query's own product and 1 for the others.
    axes_44 = torch.eye(4)
    scale = torch.tensor(math.log(3.0))
    grade_BC = torch.tensor(
        [
            [2.0, 1, 0, 0],
            [0, 2, 0, 0],
            [0, 0, 1, 0],
            [0, 0, 0, 0],
        ]
    )
    ignore_BC = torch.zeros(4, 4, dtype=torch.bool)
    ignore_BC[0, 3] = True
    # Grade 2, weight (4 - 1) / (4 - 1) = 1.
    #   query 0: positive 0 (3), negatives 1, 2 (1 each; 3 is ignored): ln((3 + 2) / 3)
    #   query 1: positive 1 (3), negatives 0, 2, 3: ln((3 + 3) / 3) = ln 2
    #   product 0: positive query 0 (3), negatives 1, 2, 3: ln 2
    #   product 1: positive query 1 (3), negatives 0 (grade 1 is lower), 2, 3: ln 2
    grade_2 = (math.log(5 / 3) + math.log(2)) / 2 + 0.5 * math.log(2)
    # Grade 1, weight (2 - 1) / (4 - 1) = 1/3.
    #   query 0: positive 1 (1), negative 2 (0 is better, 3 is ignored): ln((1 + 1) / 1) = ln 2
    #   query 2: positive 2 (3), negatives 0, 1, 3: ln 2
    #   product 1: positive query 0 (1), negatives 2, 3 (1 is better): ln((1 + 2) / 1) = ln 3
    #   product 2: positive query 2 (3), negatives 0, 1, 3: ln 2
    grade_1 = math.log(2) + 0.5 * (math.log(3) + math.log(2)) / 2
    loss = loss_of(axes_44, axes_44, grade_BC, ignore_BC, scale)
    assert loss.item() == pytest.approx(grade_2 + grade_1 / 3, rel=1e-6)


def test_plain_pairs_give_cross_entropy():
    query_BD, product_CD, _, _ = random_batch(0, queries=6, products=6)
    none_BC = torch.zeros(6, 6, dtype=torch.bool)
    logits_BB, target_B = SCALE * query_BD @ product_CD.T, torch.arange(6)
    expected = F.cross_entropy(logits_BB, target_B) + F.cross_entropy(logits_BB.T, target_B) / 2
    assert loss_of(query_BD, product_CD, torch.eye(6), none_BC).item() == pytest.approx(
        expected.item()
    )


def test_gradients_equal_finite_differences():
    query_BD, product_CD, grade_BC, ignore_BC = random_batch(1)
    targets = make_targets(grade_BC, ignore_BC)
    inputs = (
        query_BD.requires_grad_(),
        product_CD.requires_grad_(),
        SCALE.clone().requires_grad_(),
    )
    assert torch.autograd.gradcheck(lambda q, p, s: info_nce(q, p, targets, s), inputs)


def test_order_of_rows_and_columns_never_matters():
    query_BD, product_CD, grade_BC, ignore_BC = random_batch(2)
    rows, columns = torch.randperm(7), torch.randperm(9)
    moved = loss_of(
        query_BD[rows],
        product_CD[columns],
        grade_BC[rows][:, columns],
        ignore_BC[rows][:, columns],
    )
    assert moved.item() == pytest.approx(
        loss_of(query_BD, product_CD, grade_BC, ignore_BC).item(), rel=1e-12
    )


@pytest.mark.parametrize("grade", [0.0, 1.0, 3.0])
def test_ignored_pairs_change_nothing(grade):
    query_BD, product_CD, grade_BC, ignore_BC = random_batch(3)
    grade_BC = grade_BC.clamp(max=2)  # so that grade 3 stands in ignored pairs only
    # A tenth product, the twin of the first one, ignored by every query.
    with_twin_CD = torch.cat([product_CD, product_CD[:1]])
    with_twin_BC = torch.cat([grade_BC, torch.full((7, 1), grade)], dim=1)
    ignored_BC = torch.cat([ignore_BC, torch.ones(7, 1, dtype=torch.bool)], dim=1)
    assert loss_of(query_BD, with_twin_CD, with_twin_BC, ignored_BC).item() == pytest.approx(
        loss_of(query_BD, product_CD, grade_BC, ignore_BC).item(), rel=1e-12
    )


def test_a_repeated_product_counts_as_a_negative_unless_ignored():
    query_BD, product_CD, _, _ = random_batch(4, queries=4, products=4)
    none_BC = torch.zeros(4, 4, dtype=torch.bool)
    plain = loss_of(query_BD, product_CD, torch.eye(4), none_BC)
    repeated_CD = torch.cat([product_CD, product_CD[:1]])
    repeated = loss_of(query_BD, repeated_CD, torch.eye(4, 5), torch.zeros(4, 5).bool())
    assert repeated > plain


def test_lower_grades_are_negatives_of_higher_ones():
    scores = torch.tensor([[0.5, 0.1, -0.2]], dtype=torch.float64, requires_grad=True)
    grade_BC, none_BC = torch.tensor([[3.0, 1.0, 0.0]]), torch.zeros(1, 3, dtype=torch.bool)
    targets = make_targets(grade_BC, none_BC)
    assert targets.blocked_BC.tolist() == [[True, True, False]]
    assert [level.weight for level in targets.levels] == [pytest.approx(1 / 7), 1.0]
    # One query (1,), products of width 1: the logits are the scores themselves.
    info_nce(torch.ones(1, 1).double(), scores.T, targets, torch.tensor(1.0)).backward()
    assert scores.grad[0, 0] < 0 < scores.grad[0, 1] < scores.grad[0, 2] + 1
    # The pair of grade 1 is pushed down by the grade 3 above it, more than its own level lifts it.


def test_no_positive_at_all_gives_no_levels_and_no_loss():
    query_BD, product_CD, grade_BC, ignore_BC = random_batch(5)
    for nothing in (
        make_targets(torch.zeros_like(grade_BC), ignore_BC),
        make_targets(grade_BC, torch.ones_like(ignore_BC)),
    ):
        assert nothing.levels == []
        assert info_nce(query_BD, product_CD, nothing, SCALE).item() == 0


def test_a_pair_without_negatives_costs_nothing():
    query_BD = torch.tensor([[0.6, 0.8]], requires_grad=True)
    product_CD = torch.tensor([[1.0, 0.0]], requires_grad=True)
    scale = torch.tensor(20.0, requires_grad=True)
    loss = loss_of(query_BD, product_CD, torch.ones(1, 1), torch.zeros(1, 1).bool(), scale)
    loss.backward()
    assert loss.item() == 0
    for tensor in (query_BD, product_CD, scale):
        assert (tensor.grad == 0).all()


def test_a_query_without_negatives_leaves_the_others_their_gradients():
    query_BD, product_CD, _, _ = random_batch(6, queries=3, products=3)
    query_BD, product_CD = query_BD.requires_grad_(), product_CD.requires_grad_()
    ignore_BC = torch.zeros(3, 3, dtype=torch.bool)
    ignore_BC[0, 1:] = True
    # Query to product only: of the three queries, the first has nothing to be contrasted with.
    loss_of(query_BD, product_CD, torch.eye(3), ignore_BC).backward()
    assert query_BD.grad.isfinite().all()
    assert product_CD.grad.isfinite().all()
    assert query_BD.grad[1:].abs().sum() > 0


def test_scale_is_clamped_at_100():
    batch = random_batch(7)
    at_100, above = (loss_of(*batch, torch.tensor(scale).double()) for scale in (100.0, 5000.0))
    assert above.item() == at_100.item()
    assert loss_of(*batch, torch.tensor(99.0).double()).item() != at_100.item()


def test_matryoshka_is_the_mean_over_cut_vectors():
    query_BD, product_CD, grade_BC, ignore_BC = random_batch(8)
    targets = make_targets(grade_BC, ignore_BC)
    losses = [
        info_nce(
            query_BD[:, :width] / query_BD[:, :width].norm(dim=1, keepdim=True),
            product_CD[:, :width] / product_CD[:, :width].norm(dim=1, keepdim=True),
            targets,
            SCALE,
        ).item()
        for width in (2, 3, 5)
    ]
    found = matryoshka(query_BD, product_CD, targets, SCALE, (2, 3, 5)).item()
    assert found == pytest.approx(sum(losses) / 3)
    full = matryoshka(query_BD, product_CD, targets, SCALE, (5,)).item()
    assert full == pytest.approx(info_nce(query_BD, product_CD, targets, SCALE).item())


def test_gate_balance_by_hand():
    gate_BE = torch.tensor([[0.5, 0.3, 0.2], [0.7, 0.1, 0.2], [1.0, 0.0, 0.0]])
    has_B2 = torch.tensor([[1.0, 1], [1, 1], [1, 0]])
    # Mean over the first two, which have both: (.6, .2, .2).
    expected = (0.6 - 1 / 3) ** 2 + 2 * (0.2 - 1 / 3) ** 2
    assert gate_balance(gate_BE, has_B2).item() == pytest.approx(expected, rel=1e-6)


def test_gate_balance_is_zero_where_no_product_has_both():
    gate_BE = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    loss = gate_balance(gate_BE, torch.tensor([[1.0, 0.0]]))
    loss.backward()
    assert loss.item() == 0
    assert gate_BE.grad.isfinite().all()
