"""Measure the gain of words and vectors together, and how often a search finds nothing.

    python benchmarks/hybrid.py INDEX DATA --split test --slice kind --json hybrid.json

Every query of the split is answered as tuned (hybrid), by vectors alone and by words alone, each
with what is recognised in it; differences are paired by query. Then what shops fear: misspelt
queries (1 typo in each word of 4 letters, 2 from 8 letters on), and queries that nobody has asked
yet. `plain` is an engine of exact words: it finds nothing where no product has any of them.
Queries without text are left out.
"""

import argparse
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from kept_figures import write_figures
from rich.console import Console

from windowshop.data import Dataset, all_texts, read_dataset, words_of
from windowshop.evaluation import (
    DEPTH,
    bootstrap,
    compare,
    judged_slices,
    one_seed,
    query_texts,
    score_slices,
    scores_table,
)
from windowshop.progress import Reporter, TerminalReporter
from windowshop.search import Mode, Searcher, SearchRequest, open_searcher

MODES: tuple[Mode, ...] = ("hybrid", "vectors", "words")
MEASURES = ("ndcg@10", "recall@100")
SHORTEST, TWO_TYPOS = 4, 8
LETTERS = "abcdefghijklmnopqrstuvwxyz"
FOREIGN = (
    "rotes Kleid", "blaue Schuhe für Herren", "Damen Handtasche", "Hemd mit langen Ärmeln",
    "günstige Uhr", "schwarzer Gürtel", "Winterjacke", "लाल कुर्ता", "नीली जींस", "जूते",
    "महिलाओं के लिए बैग", "काला बेल्ट", "घड़ी", "सूती शर्ट",
)  # fmt: skip
NONSENSE = ("qwxzv", "blorptang", "zzyzx", "frimmelik")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--slice", action="append", default=[])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    dataset = read_dataset(arguments.data)
    reporter = TerminalReporter(Console(stderr=True))
    with closing(open_searcher(arguments.index)) as searcher:
        texts = query_texts(dataset.split(arguments.split))
        asked = {"quality": texts, "typos": misspelt(texts)}
        found = {
            section: quality(searcher, dataset, queries, arguments.slice, reporter)
            for section, queries in asked.items()
        }
        figures = {
            "split": arguments.split,
            "queries": len(texts),
            **{section: part.figures for section, part in found.items()},
            "nothing_found": nothing_found(searcher, dataset, texts, reporter),
        }
    _show(figures)
    scores = pl.concat(
        part.scores.select(pl.lit(section).alias("section"), pl.all())
        for section, part in found.items()
    )
    write_figures(figures, arguments.json, dataset, scores, show=False)


@dataclass(frozen=True, slots=True)
class Quality:
    """Quality of every mode by part, and the scores that it is of."""

    figures: dict[str, Any]
    """Part -> mode -> measure -> estimate, and hybrid minus each channel."""
    scores: pl.DataFrame
    """system (the mode), slice, query_id, measure, value."""


def quality(
    searcher: Searcher,
    dataset: Dataset,
    texts: dict[str, str],
    slices: Sequence[str],
    reporter: Reporter,
) -> Quality:
    """Return the quality of every mode on the queries and on every slice of them."""
    queries = dataset.queries.filter(pl.col("query_id").is_in(list(texts)))
    parts = judged_slices(dataset, dataset.qrels_of(queries), slices)
    scores = {mode: score_slices(_run(searcher, texts, mode, reporter), parts) for mode in MODES}
    tables = [
        scores_table(own).select(pl.lit(mode).alias("system"), pl.all())
        for mode, own in scores.items()
    ]
    figures = {name: _compared({mode: scores[mode][name] for mode in MODES}) for name in parts}
    return Quality(figures, pl.concat(tables).filter(pl.col("measure").is_in(MEASURES)))


def nothing_found(
    searcher: Searcher, dataset: Dataset, texts: dict[str, str], reporter: Reporter
) -> dict[str, dict[str, float]]:
    """Set of queries -> share of them that finds nothing: hybrid, words alone, and plain."""
    known = {word for text in all_texts(dataset.products) for word in words_of(text)}
    sets = {
        "as asked": list(texts.values()),
        "misspelt": list(misspelt(texts).values()),
        **unseen(dataset, list(texts.values())),
    }
    total = sum(map(len, sets.values()))
    shares = {}
    with reporter.bar("Search for the odd", total) as advance:
        for name, queries in sets.items():
            empty = {mode: 0 for mode in ("hybrid", "words", "relaxed", "plain")}
            for text in queries:
                answer = searcher.answer(SearchRequest(text=text, rules=False))
                by_words = searcher.answer(SearchRequest(text=text, mode="words", rules=False))
                empty["hybrid"] += not answer.total
                empty["words"] += not by_words.total
                empty["relaxed"] += bool(answer.relaxed)
                empty["plain"] += known.isdisjoint(words_of(text))
                advance(1, "")
            shares[name] = {"queries": len(queries)} | {
                mode: count / max(1, len(queries)) for mode, count in empty.items()
            }
    return shares


def misspelt(texts: dict[str, str]) -> dict[str, str]:
    """The queries with typos, the same ones at each call."""
    rng = np.random.default_rng(0)
    return {
        query_id: " ".join(_with_typos(word, rng) for word in text.split())
        for query_id, text in sorted(texts.items())
    }


def unseen(dataset: Dataset, texts: Sequence[str]) -> dict[str, list[str]]:
    """Queries that no log has, by sort."""
    rng = np.random.default_rng(1)
    words: dict[str, int] = {}
    for text in all_texts(dataset.products):
        for word in set(words_of(text)):
            words[word] = words.get(word, 0) + 1
    rare = sorted(word for word, count in words.items() if count <= 2 and len(word) > 3)
    lowest = dataset.products["price"].cast(pl.Float64).drop_nulls().to_list()
    few = [texts[i] for i in rng.permutation(len(texts))[:200]]
    return {
        "two rare words": [" ".join(rng.choice(rare, 2, replace=False)) for _ in range(200)],
        "a word without meaning": [f"{text} {NONSENSE[i % 4]}" for i, text in enumerate(few)],
        "only words without meaning": list(NONSENSE),
        "too cheap": [f"{text} under {min(lowest):g}" for text in few if lowest],
        "German and Hindi": list(FOREIGN),
    }


def _run(
    searcher: Searcher, texts: dict[str, str], mode: Mode, reporter: Reporter
) -> dict[str, dict[str, float]]:
    run = {}
    with reporter.bar(f"Search: {mode}", len(texts)) as advance:
        for query_id, text in texts.items():
            request = SearchRequest(text=text, mode=mode, limit=DEPTH, rules=False)
            run[query_id] = searcher.answer(request).run()
            advance(1, "")
    return run


def _compared(values: dict[Mode, dict[str, dict[str, float]]]) -> dict[str, Any]:
    means = {
        mode: {m: asdict(bootstrap(list(scores[m].values()))) for m in MEASURES if scores[m]}
        for mode, scores in values.items()
    }
    gains = {}
    for other in MODES[1:]:
        for measure in MEASURES:
            hybrid, theirs = (one_seed(values[mode][measure]) for mode in ("hybrid", other))
            found = compare(hybrid, theirs)
            if found is not None:
                gains[f"hybrid minus {other}: {measure}"] = asdict(found)
    return {"means": means, "gains": gains}


def _with_typos(word: str, rng: np.random.Generator) -> str:
    typos = (len(word) >= SHORTEST) + (len(word) >= TWO_TYPOS)
    for _ in range(typos if word.isalpha() else 0):
        word = TYPOS[rng.integers(len(TYPOS))](word, int(rng.integers(len(word) - 1)), rng)
    return word


def _swap(word: str, i: int, rng: np.random.Generator) -> str:
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _drop(word: str, i: int, rng: np.random.Generator) -> str:
    return word[:i] + word[i + 1 :]


def _double(word: str, i: int, rng: np.random.Generator) -> str:
    return word[: i + 1] + word[i:]


def _replace(word: str, i: int, rng: np.random.Generator) -> str:
    return word[:i] + LETTERS[rng.integers(len(LETTERS))] + word[i + 1 :]


TYPOS: tuple[Callable[[str, int, np.random.Generator], str], ...] = (
    _swap, _drop, _double, _replace,
)  # fmt: skip


def _show(figures: dict[str, Any]) -> None:
    for section in ("quality", "typos"):
        for part, found in figures[section].items():
            means = "  ".join(
                f"{mode} {m['ndcg@10']['mean']:.4f} / {m['recall@100']['mean']:.4f}"
                for mode, m in found["means"].items()
            )
            print(f"{section:8} {part:16} {means}")
            for name, gain in found["gains"].items():
                d = gain["difference"]
                interval = f"{d['mean']:+.4f} [{d['low']:+.4f}, {d['high']:+.4f}]"
                print(f"         {'':16} {name}: {interval} p={gain['p_value']:.4f}")
    for name, shares in figures["nothing_found"].items():
        cells = "  ".join(
            f"{mode} {shares[mode]:.1%}" for mode in ("hybrid", "words", "plain", "relaxed")
        )
        print(f"nothing found: {name:28} {shares['queries']:4} queries  {cells}")


if __name__ == "__main__":
    main()
