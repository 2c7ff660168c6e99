"""Small made-up studies, whose scores are drawn and not trained."""

import json

import numpy as np
import polars as pl

from windowshop.evaluation.diagnostics import (
    Diagnostics,
    ExclusiveMatches,
    GateWeights,
    UnretrievedProducts,
)
from windowshop.evaluation.metrics import MEASURES
from windowshop.evaluation.slices import SCORES_SCHEMA
from windowshop.settings import from_dict
from windowshop.study.config import Falsifier
from windowshop.study.results import (
    RESULTS_FILE,
    TABLES,
    CurvePoint,
    Example,
    ExampleProduct,
    SeedResult,
    StudyResults,
    VariantResult,
)

LEVELS = {
    "experts": ("reference", 0.0),
    "bm25": ("baseline", -0.15),
    "text_only": ("baseline", -0.05),
    "concat_linear": ("fusion", -0.004),
    "one_stage": ("ablation", -0.003),
    "shuffled_photos": ("control", -0.051),
}
SLICES = ("all", "visual=True", "image=missing")
PIXEL = "data:image/jpeg;base64,/9j/4AAQ"


def scores(level, seed, num_queries=60):
    """Per-query values around a level: queries differ far more than seeds do."""
    difficulty = np.random.default_rng(1).normal(0.5, 0.15, num_queries)
    noise = np.random.default_rng([seed, int(1000 * abs(level))])
    rows = [
        (part, f"q{i}", measure, float(np.clip(base + level + noise.normal(0, 0.02), 0, 1)))
        for place, part in enumerate(SLICES)
        for measure in MEASURES
        for i, base in enumerate(difficulty[place * 10 :])
    ]
    return pl.DataFrame(rows, schema=SCORES_SCHEMA, orient="row")


def diagnostics(level):
    return Diagnostics(
        modality_gap=0.5 + level,
        uniformity={"text": -2.0, "image": -1.5, "fused": -2.5},
        gates=(
            GateWeights(category="(all)", num_products=90, text=0.4, image=0.35, both=0.25),
            GateWeights(category="Shoes", num_products=60, text=0.3, image=0.5, both=0.2),
            GateWeights(category="Tools <b>", num_products=30, text=0.6, image=0.05, both=0.35),
        ),
        exclusive=(
            ExclusiveMatches(depth=10, relevant=300, gained=25, lost=9, shared=140),
            ExclusiveMatches(depth=100, relevant=300, gained=12, lost=5, shared=250),
        ),
        unretrieved=(
            UnretrievedProducts(part="all", depth=100, count=30, num_products=120, share=0.25),
            UnretrievedProducts(part="no image", depth=100, count=0, num_products=0, share=None),
        ),
    )


def seed_result(name, seed):
    level = LEVELS[name][1]
    trained = name != "bm25"
    history = tuple(
        {"stage": stage, "step": step, "ndcg@10": 0.3 + 0.1 * late + step / 1000, "recall@100": 0.6}
        for late, stage in enumerate(("separate", "fused"))
        for step in (0, 50, 100)
    )
    return SeedResult(
        seed=seed,
        seconds=100.0 + seed if trained else 0.0,
        memory_mb=900.0 + 100 * seed if trained else None,
        parameters=1_234_567 if trained else 0,
        dev_score=0.5 + level if trained else None,
        per_query=scores(level, seed),
        history=history if trained else (),
        diagnostics=diagnostics(level) if trained else None,
        unretrieved=pl.DataFrame({"product_id": [f"p{seed}", name]}),
    )


def variant_result(name):
    seeds = (0,) if name == "bm25" else (0, 1, 2)
    found = tuple(seed_result(name, seed) for seed in seeds)
    return VariantResult(name=name, group=LEVELS[name][0], note=f"About {name}.", seeds=found)


def example(query="red <i>boots</i>"):
    columns = {
        name: tuple(
            ExampleProduct(
                title=f"Boot {rank} of {name}",
                image=PIXEL if rank == 1 else None,
                grade={1: 3, 2: 0, 3: None}[rank],
                rank=rank,
            )
            for rank in (1, 2, 3)
        )
        for name in ("experts", "text_only")
    }
    return Example(query=query, kind="visual", columns=columns)


def study(**changes):
    curves = {
        name: tuple(
            CurvePoint(x=x, variant=v, mean=0.5 - x * s, low=0.48 - x * s, high=0.52 - x * s)
            for v, s in (("experts", 0.1), ("text_only", 0.02))
            for x in (0.0, 0.5, 1.0)
        )
        for name in ("missing_images", "sparse_text")
    }
    content = {
        "variants": tuple(variant_result(name) for name in LEVELS),
        "reference": "experts",
        "split": "test",
        "data": "a made-up shop",
        "counts": {"products": 1200, "queries": 60},
        "hashes": {"products": "123"},
        "environment": {"python": "3.11", "commit": "abc"},
        "settings": {"seeds": [0, 1, 2], "base": {"model": {"width": 16}}},
        "falsifiers": (
            Falsifier(
                claim="Seeing helps",
                better="experts",
                worse="text_only",
            ),
            Falsifier(
                claim="Shuffled images do not help",
                better="shuffled_photos",
                worse="text_only",
                expect="not better",
                margin=0.01,
            ),
            Falsifier(claim="Not run", better="experts", worse="absent"),
        ),
        "examples": (example(),),
        "notes": ("<b>a</b> is left out.",),
        "curves": curves,
    }
    return StudyResults(**{**content, **changes})


def load_results(folder):
    """The results of a report folder."""
    content = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    del content["format"]
    tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    for variant in content["variants"]:
        for item in variant["seeds"]:
            of = {"variant": variant["name"], "seed": item["seed"]}
            item |= {n: table.filter(**of).drop(*of) for n, table in tables.items()}
    return from_dict(StudyResults, content, RESULTS_FILE)
