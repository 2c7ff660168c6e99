"""A small study of regimes of the shop of `kinds`, and made-up results of one."""

import numpy as np
from support.tiny_studies import DOMAIN, FUSED, SEPARATE, base_settings

from windowshop.settings import from_dict
from windowshop.study.regimes.cells import CellResult
from windowshop.study.regimes.config import RegimesConfig
from windowshop.study.regimes.results import (
    CellFigures,
    RegimeResults,
    SeedFigures,
    scores_of,
)


def regimes_settings(clip):
    """Settings as in a YAML file: two regimes, two schedules, and one option."""
    base = base_settings(clip)
    del base["stages"]
    return {
        "seeds": [0, 1],
        "base": base,
        "clicks": {"sessions": 5},
        "schedules": {
            "two": {"settings": {"stages": [DOMAIN, FUSED]}},
            "three": {"settings": {"stages": [DOMAIN, SEPARATE, FUSED]}},
        },
        "options": {"no_masks": {"settings": {"loss": {"masks": False}}}},
        "blocks": [
            {
                "name": "main",
                "note": "Sizes.",
                "queries": [0, 4, None],
                "judgements": ["two"],
                "schedules": ["two", "three"],
                "fusions": ["text_only", "text_tower_experts"],
            },
            {
                "name": "others",
                "judgements": ["clicks"],
                "missing_images": [0.0, 0.3],
                "schedules": ["two"],
                "fusions": ["average"],
                "options": ["plain", "no_masks"],
            },
            {
                "name": "transfer",
                "categories": ["bag"],
                "schedules": ["two"],
                "fusions": ["average"],
            },
        ],
        "questions": [
            {
                "name": "separate stage",
                "claim": "Separate alignment pays",
                "pairs": [
                    {
                        "better": {"fusion": "text_tower_experts", "schedule": "three"},
                        "worse": {"schedule": "two"},
                    }
                ],
            },
            {
                "name": "masks",
                "claim": "Masks pay",
                "pairs": [{"better": {"option": "plain"}, "worse": {"option": "no_masks"}}],
            },
        ],
        "notes": ["A note."],
    }


def made_up_results(level, num_queries=40, seeds=(0, 1, 2)):
    """Results whose cells have mean scores by `level(cell)`; queries differ more than seeds."""
    config = from_dict(RegimesConfig, regimes_settings("none"), "study")
    ids = [f"q{i}" for i in range(num_queries)]
    base_Q = np.random.default_rng(0).uniform(0.3, 0.6, num_queries)

    def result(mean, seed):
        noise_Q = np.random.default_rng([seed, round(1000 * mean)]).normal(0, 0.01, num_queries)
        scores = dict(zip(ids, np.clip(base_Q + mean + noise_Q, 0, 1).tolist(), strict=True))
        dev = {"score": mean, "ndcg@10": mean}
        return CellResult(seed=seed, scores={"ndcg@10": scores, "recall@100": scores}, dev=dev)

    found = {c.name: [result(level(c), seed) for seed in seeds] for c in config.cells()}
    cells = tuple(
        CellFigures(
            cell=cell,
            seeds=tuple(SeedFigures(seed=r.seed, dev=r.dev, seconds=2.0) for r in found[cell.name]),
        )
        for cell in config.cells()
    )
    baselines = ("bm25", "frozen_text", "bm25 / only bag", "frozen_text / only bag")
    found |= {name: [result(0.05, 0)] for name in baselines}
    return RegimeResults(
        data="a made-up shop",
        counts={"products": 18},
        hashes={},
        environment={"python": "3.11"},
        config=config,
        cells=cells,
        baselines=baselines,
        num_missing=3,
        scores=scores_of(found),
    )
