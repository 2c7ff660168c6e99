"""docs/search.md says what is so."""

import re
from pathlib import Path

import polars as pl

from windowshop.search.results.rules import load_rules
from windowshop.search.retrieval.config import MergeConfig, Method
from windowshop.search.settings import SearchSettings
from windowshop.search.tuning.choose import TuneConfig
from windowshop.search.understanding.spelling import ONE_TYPO, TWO_TYPOS
from windowshop.search.understanding.synonyms import load_synonyms

PAGE = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")


def block(name, folder):
    (content,) = re.findall(rf"```yaml\n# {name}\n(.*?)```", PAGE, re.DOTALL)
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_the_example_files_can_be_read(tmp_path):
    (rule,) = load_rules(block("rules.yaml", tmp_path), pl.Schema({"brand": pl.String()})).rules
    assert (rule.pin, rule.boost, rule.match) == (("p17", "p4"), 2, "contains")
    synonyms = load_synonyms(block("synonyms.yaml", tmp_path))
    length, also = synonyms.at(["crimson"], 0)
    assert (length, also) == (1, [("red",)])


def test_methods_and_limits_are_those_of_the_code():
    named = re.findall(r"^\| `(\w+)`( \(default\))? \|", PAGE, re.MULTILINE)
    assert {name for name, _ in named} == set(Method.__args__)
    default = MergeConfig(channels=SearchSettings().text.channels).method
    assert [name for name, is_default in named if is_default] == [default]
    config = TuneConfig()
    assert f"least {config.min_slice_queries} queries" in PAGE
    assert f"more than {config.max_slice_loss} nDCG@10" in PAGE
    assert f"`--max-lost` ({config.max_lost:.2%})" in PAGE
    assert f"one typo from {ONE_TYPO} letters on, with two from {TWO_TYPOS}" in PAGE
