"""A small shop of nine kinds of product, for trainings with tiny encoders; see `make_prepared`."""

import torch
from support.shops import image_bytes, write_shop

from windowshop.config import StageConfig

SMALL = {"min_epochs": 0.0, "batch_queries": 6, "warmup_steps": 0, "eval_every": 2}
SEPARATE = StageConfig(name="separate", steps=3, **SMALL)
FUSED = StageConfig(name="fused", steps=3, **SMALL)
KINDS = [
    f"{colour} {thing}" for colour in ("red", "blue", "green") for thing in ("shoe", "bag", "hat")
]


def write_kinds(folder, splits=("train", "dev", "test")):
    """18 products, i and i + 9 of a kind; every split asks for each kind, and q0 refused p4."""
    products = [
        {
            "product_id": f"p{i}",
            "title": f"{KINDS[i % 9]} {'of' if i < 9 else 'with'}",
            "image": f"{i}.png",
            "images": [f"{i + 1}.png"] if i % 4 == 0 else None,
            "category": KINDS[i % 9].split()[1],
            "description": f"an image of the {KINDS[i % 9].split()[0]}",
            "attributes": '{"with": "a"}',
        }
        for i in range(18)
    ]
    queries = [
        {"query_id": f"q{9 * n + i}", "query": f"{words} {kind}", "split": split}
        for n, (split, words) in enumerate(zip(splits, ("the", "a", "and"), strict=False))
        for i, kind in enumerate(KINDS)
    ]
    qrels = [
        {"query_id": query["query_id"], "product_id": f"p{product}", "grade": 1 + (product < 9)}
        for i, query in enumerate(queries)
        for product in (i % 9, i % 9 + 9)
    ]
    qrels.append({"query_id": "q0", "product_id": "p4", "grade": 0})
    files = {f"{i}.png": image_bytes(i, size=(40, 40)) for i in range(18)}
    tables = {"products": products, "queries": queries, "qrels": qrels}
    return write_shop(folder, tables, files | {"p1.png": None, "p2.png": None})


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same(found, expected):
    assert set(found) == set(expected)
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def assert_same_system(found, expected):
    """Two trained systems are equal to the bit, encoders and history included."""
    assert_same(weights(found.system.towers), weights(expected.system.towers))
    for kind in ("text", "image"):
        one, other = (getattr(trained.system, kind) for trained in (found, expected))
        assert_same(weights(one.module), weights(other.module))
        assert one.fingerprint == other.fingerprint
    assert found.state == expected.state
    assert found.dev == expected.dev
