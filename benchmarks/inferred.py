"""Measure what the query classifier of an index changes, and how often its heads are right.

    python benchmarks/inferred.py INDEX DATA --split test --slice kind --json inferred.json

The search as served with nothing inferred, with boosts, and with filters too, as far as held-out
queries allow by the bounds of search.yaml, whatever `tune` chose; differences are paired by query.
Then the same with words that no product has ("rucksack" for "backpack"), and for every head: how
often its likeliest class is right from each threshold on, and how often it abstains.
"""

import argparse
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
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
)
from windowshop.progress import Reporter, TerminalReporter
from windowshop.search import Action, Searcher, SearchRequest, open_searcher

MEASURES = ("ndcg@10", "recall@100", "p@1")
STRONGEST: tuple[Action, ...] = ("off", "boost", "filter")
THRESHOLDS = (0.0, 0.5, 0.8, 0.9)
SYNONYMS = {
    "t-shirt": "tee", "tshirt": "tee", "trousers": "slacks", "backpack": "rucksack",
    "sunglasses": "shades", "handbag": "purse", "sweater": "pullover", "jeans": "denims",
    "watch": "timepiece", "shoes": "trainers", "flip flops": "thongs", "shorts": "bermudas",
    "jacket": "anorak", "heels": "stilettos", "socks": "hosiery", "cap": "headgear",
    "wallet": "billfold", "briefs": "underpants", "dress": "frock", "sweatshirt": "hoodie",
    "top": "blouse", "bra": "brassiere", "tie": "cravat", "skirt": "petticoat",
}  # fmt: skip
"""Another word for what a query names; those that some product has are left out."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--slice", action="append", default=[])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    dataset, split = read_dataset(arguments.data), arguments.split
    reporter = TerminalReporter(Console(stderr=True))
    texts = query_texts(dataset.split(split))
    unknown = with_synonyms(dataset, texts)
    with closing(open_searcher(arguments.index, read_only=True)) as searcher:
        if searcher.inference is None:
            parser.error(f"{arguments.index}: has no classifier. Run `windowshop tune`.")
        figures = {
            "split": split,
            "chosen_by_tune": searcher.settings.classifier.strongest,
            "as_asked": served(searcher, dataset, texts, arguments.slice, reporter),
            "synonyms": served(searcher, dataset, unknown, (), reporter),
            "heads": heads(searcher, dataset, texts),
            "heads_by_synonyms": heads(searcher, dataset, unknown),
            "own_ms": own_ms(searcher, texts),
        }
    write_figures(figures, arguments.json, dataset)


def with_synonyms(dataset: Dataset, texts: dict[str, str]) -> dict[str, str]:
    """Return the queries that name something by a word that no product has instead."""
    known = {word for text in all_texts(dataset.products) for word in words_of(text)}
    changed = {}
    for query_id, text in texts.items():
        for word, other in SYNONYMS.items():
            if f" {word} " in f" {text} " and known.isdisjoint(words_of(other)):
                changed[query_id] = f" {text} ".replace(f" {word} ", f" {other} ").strip()
                break
    return changed


def served(
    searcher: Searcher,
    dataset: Dataset,
    texts: dict[str, str],
    slices: Sequence[str],
    reporter: Reporter,
) -> dict[str, Any]:
    """Slice -> measure -> mean by the strongest action, and the gains over nothing inferred."""
    queries = dataset.queries.filter(dataset.queries["query_id"].is_in(list(texts)))
    parts = judged_slices(dataset, dataset.qrels_of(queries), slices)
    scores, acted = {}, {}
    for strongest in STRONGEST:
        allowed = replace(searcher.settings.classifier, strongest=strongest)
        own = searcher.with_settings(replace(searcher.settings, classifier=allowed))
        run, items = {}, []
        with reporter.bar(f"Search: {strongest}", len(texts)) as advance:
            for query_id, text in texts.items():
                answer = own.answer(SearchRequest(text=text, limit=DEPTH, fields=()))
                run[query_id] = answer.run()
                items.append([p.action for p in answer.recognised if p.kind == "inferred"])
                advance(1, "")
        scores[strongest] = score_slices(run, parts)
        for name, part in parts.items():
            first = {q: part.qrels[q].get(next(iter(run[q]), ""), 0) for q in part.qrels}
            scores[strongest][name]["p@1"] = {
                q: float(first[q] >= part.threshold) for q in scores[strongest][name]["recall@100"]
            }
        acted[strongest] = {
            action: float(np.mean([action in own for own in items])) for action in STRONGEST[1:]
        }
    return {
        "queries": len(texts),
        "share_of_queries_acted_on": acted,
        **{name: _compared({s: scores[s][name] for s in STRONGEST}) for name in parts},
    }


def _compared(scores: dict[Action, dict[str, dict[str, float]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for measure in MEASURES:
        values = {strongest: own[measure] for strongest, own in scores.items()}
        found[measure] = {s: asdict(bootstrap(list(v.values()))) for s, v in values.items() if v}
        for strongest in STRONGEST[1:]:
            gain = compare(one_seed(values[strongest]), one_seed(values["off"]))
            found[measure][f"{strongest} minus off"] = asdict(gain.difference) if gain else None
    return found


def heads(searcher: Searcher, dataset: Dataset, texts: dict[str, str]) -> dict[str, Any]:
    """Head -> threshold -> share of queries, and of relevant products of the class inferred.

    A query counts where it has relevant products that state the column; whether it names the column
    or not.
    """
    assert searcher.inference is not None
    queries = dataset.queries.filter(dataset.queries["query_id"].is_in(list(texts)))
    part = judged_slices(dataset, dataset.qrels_of(queries), ())["all"]
    found: dict[str, list[tuple[float, float]]] = {}
    with searcher.state() as state:
        columns = state.view.columns
        for query_id, text in texts.items():
            grades = part.qrels.get(query_id, {})
            ids = [p for p, g in grades.items() if g >= part.threshold and p in columns]
            keys = columns.keys(ids)
            vector = searcher.index.encode_queries([text], [None])
            for guess in searcher.inference.classifier.guess(vector):
                head = guess.head
                every = [head.tree(place) for place in range(len(head.values))]
                has = columns.matching(every, keys)
                stated = has.any(axis=0)
                if stated.any():
                    right = float(has[guess.place][stated].mean())
                    found.setdefault(head.name, []).append((guess.probability, right))
    return {name: _by_threshold(np.array(pairs)) for name, pairs in found.items()}


def _by_threshold(pairs: np.ndarray) -> dict[str, dict[str, float | None]]:
    by_threshold = {}
    for threshold in THRESHOLDS:
        sure = pairs[:, 0] >= threshold
        by_threshold[f"{threshold:g}"] = {
            "abstains": float(1 - sure.mean()),
            "right": float(pairs[sure, 1].mean()) if sure.any() else None,
        }
    return by_threshold


def own_ms(searcher: Searcher, texts: dict[str, str]) -> dict[str, float]:
    """Milliseconds that the heads take of a vector that is there."""
    assert searcher.inference is not None
    vectors = [searcher.index.encode_queries([text], [None]) for text in list(texts.values())[:200]]
    times = []
    for vector in vectors * 5:
        started = time.perf_counter()
        searcher.inference.classifier.guess(vector)
        times.append((time.perf_counter() - started) * 1000)
    return {"median": float(np.median(times)), "p95": float(np.percentile(times, 95))}


if __name__ == "__main__":
    main()
