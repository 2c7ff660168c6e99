"""Pieces of a stage's loss, each on a batch of 4 x 4 worked by hand.

Unit axes and scale ln 3 make exp(s) 3 for a query's own product and 1 for the others, so a query
with its own product against the three others costs ln((3 + 3) / 3) = ln 2.
"""

from math import log
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from windowshop.config import LossConfig, StageConfig
from windowshop.training.data import TrainingData
from windowshop.training.judged_pairs import make_pairs
from windowshop.training.losses import guide_mask, info_nce, make_targets
from windowshop.training.objectives import OBJECTIVES, Step

AXES_44 = torch.eye(4, dtype=torch.float64)
LN3 = torch.tensor(log(3.0), dtype=torch.float64)
EACH = np.arange(4)
TEXTS = ("shoe", "hat", "bag", "cap")


def train_queries(*texts):
    return [(text, None, "train") for text in texts]


def loss_of(query_BD, pairs):
    """The loss of all queries against all products, with the masks that the data gives."""
    grades = pairs.grades_between(EACH, EACH)
    grade_BC, ignore_BC = torch.from_numpy(grades.grade_BC), torch.from_numpy(grades.ignore_BC)
    return info_nce(query_BD, AXES_44, make_targets(grade_BC, ignore_BC), LN3).item()


def test_products_of_a_positive_s_group_are_no_negatives(make_dataset):
    queries, grades = train_queries(*TEXTS), {(i, i): 1 for i in range(4)}
    apart = make_pairs(make_dataset(list("abcd"), queries, grades), "train")
    assert loss_of(AXES_44, apart) == pytest.approx(1.5 * log(2))
    # Products 0 and 1 are one group, so queries 0 and 1 have two negatives: ln((3 + 2) / 3), and
    # so have products 0 and 1. The other direction is the same, at half the weight.
    grouped = make_pairs(make_dataset(list("aabc"), queries, grades), "train")
    assert loss_of(AXES_44, grouped) == pytest.approx(1.5 * (2 * log(5 / 3) + 2 * log(2)) / 4)


def test_queries_of_one_text_are_one_query(make_dataset):
    """Product 1 is judged for the second spelling alone, and is no negative of the first."""
    queries = train_queries("shoe", "SHOE ", "hat", "bag", "cap")
    grades = {(0, 0): 1, (1, 1): 1, (2, 2): 1, (3, 3): 1, (4, 1): 1}
    pairs = make_pairs(make_dataset(list("abcd"), queries, grades), "train")
    assert pairs.query.tolist() == [0, 2, 3, 4]
    # "shoe" looks at product 0 (3), "hat" at 2, "bag" at 3 and "cap" at 1.
    # Queries: "shoe" has positives 0 (3) and 1 (1) against 2 and 3, which are 1 each.
    shoe = (log(5 / 3) + log(3 / 1)) / 2
    # Products: 1 has positives "shoe" (1) and "cap" (3) against "hat" and "bag".
    product_1 = (log(3 / 1) + log(5 / 3)) / 2
    expected = (shoe + 3 * log(2)) / 4 + 0.5 * (product_1 + 3 * log(2)) / 4
    assert loss_of(AXES_44[[0, 2, 3, 1]], pairs) == pytest.approx(expected)


def test_what_the_guide_takes_for_a_positive_is_no_negative():
    guide_BC = torch.full((4, 4), 0.1) + 0.7 * torch.eye(4)
    guide_BC[0, 1], guide_BC[2, 3] = 0.77, 0.75  # .95 of the positives' .8 is .76
    targets = make_targets(torch.eye(4), guide_mask(guide_BC, torch.eye(4), 0.95))
    # Query 0 has two negatives, and so has product 1.
    expected = 1.5 * (log(5 / 3) + 3 * log(2)) / 4
    assert info_nce(AXES_44, AXES_44, targets, LN3).item() == pytest.approx(expected)


SCALES = {"query_text": 3, "query_image": 9, "text_image": 5, "query_product": 7}
"""exp(scale) by pair type."""


@pytest.fixture
def axes_step(make_dataset):
    """One step of a stage on products whose text, image and query are one axis each."""
    dataset = make_dataset(list("abcd"), train_queries(*TEXTS), {(i, i): 1 for i in range(4)})
    products = SimpleNamespace(
        has_both=np.ones(4, dtype=bool),
        has_text=np.ones(4, dtype=bool),
        has_image=np.ones(4, dtype=bool),
        varied_batch=lambda items, rng, stage: torch.from_numpy(items),
        same_content=lambda items, rows: np.eye(len(items), dtype=bool)[rows],
    )
    queries = SimpleNamespace(batch=torch.from_numpy)
    data = TrainingData(products, queries, make_pairs(dataset, "train"))
    model = SimpleNamespace(
        device=torch.device("cpu"),
        fusion=SimpleNamespace(uses_text=True, uses_image=True),
        embed_queries=lambda rows: AXES_44[rows],
        encode_modalities=lambda items: SimpleNamespace(
            t_BD=AXES_44[items], v_BD=AXES_44[items], has_B2=torch.ones(len(items), 2)
        ),
        scale=lambda pair: torch.tensor(log(SCALES[pair]), dtype=torch.float64),
        bias=lambda pair: None,
    )

    def run(stage, **loss):
        settings = StageConfig(name=stage, steps=1, batch_queries=4, products_per_query=1)
        step = Step(stage=settings, loss=LossConfig(**loss), rng=np.random.default_rng(0))
        return OBJECTIVES[stage](model, data, step).item()

    return run


def by_scale(pair):
    """Each of four against three others, both directions: 1.5 ln((e + 3) / e), e = exp(scale)."""
    return 1.5 * log((SCALES[pair] + 3) / SCALES[pair])


def test_each_pair_type_has_its_own_temperature(axes_step):
    assert axes_step("domain") == pytest.approx(by_scale("text_image"))
    text, image, both = (by_scale(p) for p in ("query_text", "query_image", "text_image"))
    assert axes_step("separate") == pytest.approx(text + image + 0.2 * both)
    weights = {"query_text": 2.0, "query_image": 0.5, "text_image": 0.0}
    assert axes_step("separate", **weights) == pytest.approx(2 * text + 0.5 * image)
