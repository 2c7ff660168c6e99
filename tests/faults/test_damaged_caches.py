"""Damaged files of feature caches: always the same features, encoded again where need be."""

import shutil

import numpy as np
from support.faults import outcomes, some

from windowshop.encoders.feature_cache import FeatureCache
from windowshop.encoders.layout import Layout
from windowshop.progress import SilentReporter

TEXTS = [f"{colour} {thing}" for colour in ("red", "blue", "green") for thing in ("hat", "bag")]


class Letters:
    """Features of a text: its letters' codes."""

    layout = Layout((12,))
    fingerprint = "letters"

    def __init__(self):
        self.num_seen = 0

    def encode(self, texts):
        self.num_seen += len(texts)
        return np.array([[*map(ord, text.ljust(12))] for text in texts], dtype=np.float32)


def features(folder):
    """Features through a cache folder, and how many of them it lacked."""
    letters = Letters()
    table = FeatureCache(letters, None, folder).texts(TEXTS, SilentReporter(), "texts")
    return table.gather(np.arange(len(table))), letters.num_seen


def test_a_damaged_cache_gives_the_same_features(tmp_path):
    whole = tmp_path / "whole"
    assert features(whole)[1] == len(TEXTS)
    assert features(whole)[1] == 0
    seen = []

    def answer(folder):
        used = shutil.copytree(folder, tmp_path / "used", dirs_exist_ok=True)
        first, num_seen = features(used)
        again, none = features(used)
        shutil.rmtree(used)
        assert none == 0, "what was encoded again was not kept"
        seen.append(num_seen)
        return first, again

    def same(one, other):
        return all(map(np.array_equal, one, other))

    equal, named, wrong = outcomes("feature cache", whole, tmp_path, answer, same, some(100, 1500))
    assert wrong == []
    assert named == 0
    assert equal > 200
    assert sum(num_seen > 0 for num_seen in seen) > 0.9 * 200  # the flips were seen
