"""Small studies of the shop of `kinds`, with one tiny CLIP model for text and images."""

import json

import polars as pl
from support.kinds import SMALL

from windowshop.data.dataset import read_dataset
from windowshop.progress import SilentReporter
from windowshop.study.runner import compare

TUNING = {"text": "lora", "lora_rank": 2, "learning_rate": 0.01, "weight_shares": [1.0]}
SEPARATE, FUSED = ({"name": name, "steps": 2, **SMALL} for name in ("separate", "fused"))
DOMAIN = {"name": "domain", "steps": 1, **SMALL}


def variant(name, group="fusion", **how):
    return {"name": name, "group": group, **how}


VARIANTS = [
    variant("text_tower_experts", "reference"),
    variant("text_only", "baseline", settings={"model": {"fusion": "text_only"}}),
    variant("bm25", "baseline", system="bm25"),
    variant("both", "baseline", system="bm25_dense"),
    variant("centred", "baseline", system="score_fusion", mix="centred"),
    variant("frozen", "baseline", system="frozen", mix="tuned"),
    variant("shuffled", "control", train_change="shuffled_photos", test_change="shuffled_photos"),
    variant("cut", "control", test_change="three_words"),
    variant("tuned", settings={"stages": [{"name": "fused", "fine_tuning": TUNING}]}),
]


def base_settings(clip):
    """Training settings of a few steps."""
    return {
        "text_encoder": str(clip),
        "image_encoder": str(clip),
        "device": "cpu",
        "model": {"width": 16, "matryoshka": [8], "hidden": 16},
        "stages": [SEPARATE, FUSED],
    }


def study_settings(clip):
    """A study of VARIANTS, as in a YAML file."""
    return {
        "seeds": [0, 1],
        "budget": 1,
        "base": base_settings(clip),
        "variants": VARIANTS,
        "slices": ["category"],
        "curve_variants": [
            "text_tower_experts",
            "tuned",
            "shuffled",
            "centred",
            "bm25",
            "text_only",
        ],
        "num_examples": 2,
    }


def without_command(out):
    """results.json without the command that wrote it."""
    content = json.loads((out / "results.json").read_text())
    del content["environment"]["command"]
    return content


def timeless(out):
    """results.json without what differs from run to run."""
    content = without_command(out)
    del content["environment"]["workers"]
    for found in content["variants"]:
        for item in found["seeds"]:
            del item["seconds"], item["memory_mb"]
    return content


def assert_same_report(found, expected):
    assert timeless(found) == timeless(expected)
    tables = [pl.read_parquet(out / "per_query.parquet") for out in (found, expected)]
    assert tables[0].equals(tables[1])


def runner_of(place):
    """Runs a study on a data folder at `place`, or elsewhere, with the cache there."""

    def run(config, out, data="data", reporter=None, **how):
        dataset = read_dataset(place / data)
        return compare(dataset, config, out, place / "cache", reporter or SilentReporter(), **how)

    return run
