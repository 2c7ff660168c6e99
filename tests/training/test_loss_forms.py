"""Forms, weights, sampling correction and guide of the loss, against plain Python loops."""

import math

import pytest
import torch
import torch.nn.functional as F

from windowshop.training.losses import contrastive, guide_mask, info_nce, make_targets, matryoshka

SCALE = torch.tensor(6.0, dtype=torch.float64)
BIAS = torch.tensor(-1.5, dtype=torch.float64)
FORMS = ("graded", "plain", "sigmoid")
AXES_44 = torch.eye(4, dtype=torch.float64)
LN3 = torch.tensor(math.log(3), dtype=torch.float64)
"""With AXES_44 on both sides: exp(s) is 3 for a query's own product and 1 for the others."""
NONE_44 = torch.zeros(4, 4, dtype=torch.bool)
GRADE_44 = torch.tensor([[2.0, 1, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])


def log(value):
    return math.log(value)


def random_batch(seed, queries=6, products=8, width=5):
    """Unit vectors and all that targets can be made of."""
    generator = torch.Generator().manual_seed(seed)
    real = {"generator": generator, "dtype": torch.float64}
    vectors = [F.normalize(torch.randn(n, width, **real), dim=1) for n in (queries, products)]
    grade_BC = torch.randint(-4, 4, (queries, products), generator=generator).clamp(min=0).float()
    return vectors, {
        "grade_BC": grade_BC,
        "ignore_BC": torch.rand(queries, products, **real) < 0.2,
        "weight_BC": torch.rand(queries, products, **real) * 5,
        "query_weight_B": torch.rand(queries, **real),
        "log_share_C": torch.rand(products, **real).log(),
    }


def loss_of(vectors, form, *, scale=SCALE, bias=BIAS, **given):
    return contrastive(*vectors, make_targets(form=form, **given), scale, bias)


def as_floats(vectors, given, scale):
    s = (scale * vectors[0] @ vectors[1].T).tolist()
    kept = {
        (i, j): given["grade_BC"][i, j].item()
        for i in range(len(s))
        for j in range(len(s[0]))
        if not given["ignore_BC"][i, j]
    }
    return s, kept


def softmax_loop(vectors, given, form, scale):
    """The definition, one pair at a time."""
    s, kept = as_floats(vectors, given, scale)
    weight, query_weight = given["weight_BC"].tolist(), given["query_weight_B"].tolist()
    log_share = given["log_share_C"].tolist()
    grades = sorted({grade for grade in kept.values() if grade > 0})
    total = 0.0
    for level in grades if form == "graded" else [None]:
        of_level = [p for p, g in kept.items() if (g == level if level else g > 0)]
        gain = (2**level - 1) / (2 ** grades[-1] - 1) if level else 1.0
        for side, direction in ((0, 1.0), (1, 0.5)):
            terms, weights = [], []
            for owner in {pair[side] for pair in of_level}:
                own = [pair for pair in of_level if pair[side] == owner]
                y = [weight[i][j] * (1 if level else 2 ** kept[i, j] - 1) for i, j in own]
                for (i, j), share in zip(own, y, strict=True):
                    negatives = [
                        math.exp(s[a][b] - (log_share[b] if side == 0 else 0))
                        for (a, b), grade in kept.items()
                        if (a, b)[side] == owner and grade < (level or 1)
                    ]
                    terms.append(-s[i][j] + log(math.exp(s[i][j]) + sum(negatives)))
                    weights.append(share / sum(y) * query_weight[i])
            weighted = sum(t * w for t, w in zip(terms, weights, strict=True))
            total += gain * direction * weighted / sum(weights) if any(weights) else 0
    return total


def sigmoid_loop(vectors, given, scale, bias):
    s, kept = as_floats(vectors, given, scale)
    weight, query_weight = given["weight_BC"].tolist(), given["query_weight_B"].tolist()
    top = max(kept.values())
    total = 0.0
    for (i, j), grade in kept.items():
        z, share = -1, 1.0
        if grade > 0:
            own = [weight[a][b] for (a, b), g in kept.items() if a == i and g > 0]
            z, share = 1, (2**grade - 1) / (2**top - 1) * weight[i][j] / (sum(own) / len(own))
        total += query_weight[i] * share * log(1 + math.exp(-z * (s[i][j] + bias)))
    return total / sum(query_weight[i] for i in {i for i, _ in kept})


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", FORMS)
def test_each_form_equals_the_loop(form, seed):
    vectors, given = random_batch(seed)
    given["query_weight_B"][seed] = 0
    if form == "sigmoid":
        expected = sigmoid_loop(vectors, given, SCALE.item(), BIAS.item())
    else:
        expected = softmax_loop(vectors, given, form, SCALE.item())
    assert loss_of(vectors, form, **given).item() == pytest.approx(expected, rel=1e-9)


def test_plain_by_hand():
    # Gains 3 and 1. Query 0 shares its target 3/4 to product 0 (3), 1/4 to product 1 (1); its
    # negatives are 2 and 3. Queries 1 and 2 have one positive (3) and three negatives each.
    queries = (0.75 * log(5 / 3) + 0.25 * log(3) + log(2) + log(2)) / 3
    # Product 0: query 0, negatives 1, 2, 3. Product 1: queries 1 (3, gain 3) and 0 (1, gain 1)
    # against 2, 3. Product 2: query 2, negatives 0, 1, 3.
    products = (log(2) + 0.75 * log(5 / 3) + 0.25 * log(3) + log(2)) / 3
    found = loss_of((AXES_44, AXES_44), "plain", scale=LN3, grade_BC=GRADE_44, ignore_BC=NONE_44)
    assert found.item() == pytest.approx(queries + 0.5 * products, rel=1e-12)


def test_sigmoid_by_hand():
    # Bias -ln 3: s + b is 0 on the diagonal and -ln 3 elsewhere, so a positive there costs ln 2 and
    # elsewhere ln 4; a negative costs ln 2 and ln(4/3).
    positives = (
        log(2) + log(2) + log(2) / 3 + log(4) / 3
    )  # (0,0), (1,1), then grade 1: (2,2), (0,1)
    negatives = log(2) + 11 * log(4 / 3)  # (3,3), and the 16 - 1 - 4 others
    found = loss_of(
        (AXES_44, AXES_44), "sigmoid", scale=LN3, bias=-LN3, grade_BC=GRADE_44, ignore_BC=NONE_44
    )
    assert found.item() == pytest.approx((positives + negatives) / 4, rel=1e-12)


def test_sampling_correction_by_hand():
    # Shares 1/2, 1/4, 1/8, 1/8 multiply the negatives of a query by 2, 4, 8, 8.
    log_share_C = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64).log()
    grade_BC = torch.tensor([[2.0, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    found = loss_of(
        (AXES_44, AXES_44),
        "graded",
        scale=LN3,
        grade_BC=grade_BC,
        ignore_BC=NONE_44,
        log_share_C=log_share_C,
    )
    # Grade 2: query 0 has 3 against 4 + 8 + 8 (product 1, of grade 1, is a negative here);
    # query 1 has 3 against 2 + 8 + 8. Products are not corrected: 3 against 1 + 1 + 1.
    grade_2 = (log(23 / 3) + log(21 / 3)) / 2 + 0.5 * log(2)
    # Grade 1: query 0 has 1 against 8 + 8; product 1 has 1 against queries 2 and 3.
    grade_1 = log(17) + 0.5 * log(3)
    assert found.item() == pytest.approx(grade_2 + grade_1 / 3, rel=1e-12)


def test_weights_from_a_log_by_hand():
    # Query 0 has two positives: product 0 (3) with 9 orders and product 1 (1) with one.
    grade_BC = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    orders_BC = torch.ones(4, 4, dtype=torch.float64)
    orders_BC[0, :2] = torch.tensor([9.0, 1.0])
    asked_B = torch.tensor([3.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    given = {"grade_BC": grade_BC, "ignore_BC": NONE_44, "weight_BC": orders_BC}
    query_0, query_2 = 0.9 * log(5 / 3) + 0.1 * log(3), log(2)
    # A product with one positive each: 0 (3 against 3), 1 (1 against 1 + 3 + 1... all else), 2.
    product_0, product_1, product_2 = log(2), log(6), log(2)
    found = loss_of((AXES_44, AXES_44), "graded", scale=LN3, **given)
    expected = (query_0 + query_2) / 2 + 0.5 * (product_0 + product_1 + product_2) / 3
    assert found.item() == pytest.approx(expected, rel=1e-12)
    # Query 0 is asked three times as often; its products weigh three times as much, too.
    found = loss_of((AXES_44, AXES_44), "graded", scale=LN3, **given, query_weight_B=asked_B)
    expected = (3 * query_0 + query_2) / 4 + 0.5 * (3 * product_0 + 3 * product_1 + product_2) / 7
    assert found.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_equal_weights_are_no_weights(form):
    vectors, given = random_batch(1)
    plain = {name: given[name] for name in ("grade_BC", "ignore_BC")}
    alike = {
        "weight_BC": torch.full((6, 8), 3.0),
        "query_weight_B": torch.full((6,), 0.2),
        "log_share_C": torch.zeros(8, dtype=torch.float64),
    }
    with_weights = loss_of(vectors, form, **plain, **alike)
    assert with_weights.item() == pytest.approx(loss_of(vectors, form, **plain).item(), rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_order_of_rows_and_columns_never_matters(form):
    vectors, given = random_batch(3)
    rows, columns = torch.randperm(6), torch.randperm(8)
    moved = {name: value[rows][:, columns] for name, value in given.items() if value.ndim == 2}
    moved["query_weight_B"] = given["query_weight_B"][rows]
    moved["log_share_C"] = given["log_share_C"][columns]
    found = loss_of((vectors[0][rows], vectors[1][columns]), form, **moved)
    assert found.item() == pytest.approx(loss_of(vectors, form, **given).item(), rel=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("grade", [0.0, 3.0])
def test_an_ignored_column_never_matters(form, grade):
    vectors, given = random_batch(4)
    wider = {
        "grade_BC": F.pad(given["grade_BC"].clamp(max=2), (0, 1), value=grade),
        "ignore_BC": F.pad(given["ignore_BC"], (0, 1), value=True),
        "weight_BC": F.pad(given["weight_BC"], (0, 1), value=100.0),
        "query_weight_B": given["query_weight_B"],
        "log_share_C": F.pad(given["log_share_C"], (0, 1), value=-9.0),
    }
    found = loss_of((vectors[0], torch.cat([vectors[1], vectors[1][:1]])), form, **wider)
    given["grade_BC"] = given["grade_BC"].clamp(max=2)
    assert found.item() == pytest.approx(loss_of(vectors, form, **given).item(), rel=1e-12)


def test_an_ignored_query_never_matters_to_the_sigmoid():
    vectors, given = random_batch(5)
    given = {name: given[name] for name in ("grade_BC", "ignore_BC")}
    taller = {
        "grade_BC": F.pad(given["grade_BC"], (0, 0, 0, 1), value=1.0),
        "ignore_BC": F.pad(given["ignore_BC"], (0, 0, 0, 1), value=True),
    }
    found = loss_of((torch.cat([vectors[0], vectors[0][:1]]), vectors[1]), "sigmoid", **taller)
    assert found.item() == pytest.approx(loss_of(vectors, "sigmoid", **given).item(), rel=1e-12)


def no_positives(given):
    given["grade_BC"][:] = 0


def no_positives_of_one(given):
    given["grade_BC"][2] = 0


def no_negatives_of_one(given):
    given["grade_BC"][2] = 1
    given["ignore_BC"][2] = False


def no_negatives(given):
    given["grade_BC"][:] = 1
    given["ignore_BC"][:] = False


def all_ignored(given):
    given["ignore_BC"][:] = True


def no_weight(given):
    given["weight_BC"][:] = 0


def no_query_weight(given):
    given["query_weight_B"][:] = 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "damage",
    [
        no_positives,
        no_positives_of_one,
        no_negatives_of_one,
        no_negatives,
        all_ignored,
        no_weight,
        no_query_weight,
    ],
)
def test_gradients_stay_finite(form, damage):
    (query_BD, product_CD), given = random_batch(6)
    damage(given)
    leaves = [query_BD.requires_grad_(), product_CD.requires_grad_(), SCALE.clone(), BIAS.clone()]
    scale, bias = (leaf.requires_grad_() for leaf in leaves[2:])
    loss = contrastive(query_BD, product_CD, make_targets(form=form, **given), scale, bias)
    if loss.requires_grad:
        loss.backward()
    assert loss.isfinite()
    assert all(leaf.grad is None or leaf.grad.isfinite().all() for leaf in leaves)
    if damage in (all_ignored, no_query_weight):
        assert loss == 0


@pytest.mark.parametrize("form", FORMS)
def test_gradients_equal_finite_differences(form):
    (query_BD, product_CD), given = random_batch(7)
    targets = make_targets(form=form, **given)
    leaves = [leaf.clone().requires_grad_() for leaf in (query_BD, product_CD, SCALE, BIAS)]
    assert torch.autograd.gradcheck(lambda q, p, s, b: contrastive(q, p, targets, s, b), leaves)


@pytest.mark.parametrize("form", FORMS)
def test_temperature_is_clamped_in_every_form(form):
    vectors, given = random_batch(8)
    at = {
        scale: loss_of(vectors, form, scale=torch.tensor(scale), **given).item()
        for scale in (50.0, 100.0, 101.0, 5000.0)
    }
    assert at[100.0] == at[101.0] == at[5000.0] != at[50.0]


@pytest.mark.parametrize("form", FORMS)
def test_matryoshka_is_the_mean_over_cut_vectors(form):
    vectors, given = random_batch(9)
    targets = make_targets(form=form, **given)
    losses = [
        contrastive(*(F.normalize(x[:, :width], dim=1) for x in vectors), targets, SCALE, BIAS)
        for width in (2, 5)
    ]
    found = matryoshka(*vectors, targets, SCALE, (2, 5), BIAS)
    assert found.item() == pytest.approx(sum(loss.item() for loss in losses) / 2, rel=1e-12)


def test_softmax_forms_take_no_bias():
    vectors, given = random_batch(0)
    targets = make_targets(**given)
    alone = contrastive(*vectors, targets, SCALE)
    assert alone.item() == info_nce(*vectors, targets, SCALE).item()
    assert alone.item() == contrastive(*vectors, targets, SCALE, BIAS).item()


GUIDE_BC = torch.tensor(
    [
        [0.8, 0.4, 0.58, 0.56, 0.9],  # positives 0 and 1: mean .6, and .95 of it is .57
        [0.5, 0.47, 0.48, 0.1, 0.2],  # positive 0: .475
        [0.9, 0.9, 0.9, 0.9, 0.9],  # no positive
        [-0.2, -0.1, 0.3, 0.0, -0.5],  # positive 0, which the guide does not know
    ]
)
GUIDED_BC = torch.tensor([[2.0, 1, 0, 0, 0], [3, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])


def test_guide_masks_what_scores_near_the_positives():
    mask_BC = guide_mask(GUIDE_BC, GUIDED_BC, 0.95)
    assert mask_BC.int().tolist() == [
        [0, 0, 1, 0, 1],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_a_smaller_margin_masks_more():
    counts = [guide_mask(GUIDE_BC, GUIDED_BC, margin).sum().item() for margin in (1.0, 0.9, 0.1)]
    assert counts == [1, 5, 7]
