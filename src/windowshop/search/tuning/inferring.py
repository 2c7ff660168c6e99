"""Train the classifier of a generation, and choose what it may do on held-out queries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from windowshop.data import Dataset
from windowshop.evaluation import score_queries
from windowshop.progress import Reporter
from windowshop.search.classifier.inference import ClassifierConfig, Inference
from windowshop.search.classifier.model import Classifier
from windowshop.search.classifier.train import train_classifier
from windowshop.search.searcher import Searcher
from windowshop.search.tuning.judgements import Judgements
from windowshop.search.tuning.served import outcome
from windowshop.search.understanding.recognition import ACTIONS

MEASURES = ("ndcg@10", "recall@100")
DIGITS = 9
"""Digits to which means are compared."""


@dataclass(frozen=True, slots=True)
class InferenceTuning:
    """A classifier, and what held-out queries let it do."""

    classifier: Classifier
    config: ClassifierConfig
    inference: Inference
    """By the bounds, whatever the figures say."""
    figures: Mapping[str, Mapping[str, float]]
    """Strongest action -> measure -> mean over the held-out queries, as served."""

    def lines(self) -> list[str]:
        """Return what a person should know."""
        made, judged = self.classifier.num_made, self.classifier.num_judged
        lines = [
            f"Inferred from {judged} judged queries and {made} texts of the catalogue, measured on "
            f"{self.classifier.split}; at most: {self.config.strongest}."
        ]
        for head, permissions in self.inference.permissions.items():
            acting = [one for one in permissions if one.action != "off"]
            if acting:
                lines += [
                    f"{head.name}: {one.action} from {one.threshold:.0%} on, {one}."
                    for one in acting
                ]
        silent = [h.name for h, p in self.inference.permissions.items() if _is_silent(p)]
        if silent:
            lines.append(f"Not shown to be right often enough: {', '.join(silent)}.")
        off = self.figures.get("off")
        for strongest, found in self.figures.items():
            if off and strongest != "off":
                gains = ", ".join(f"{m} {found[m] - off[m]:+.4f}" for m in MEASURES)
                lines.append(f"With {strongest} at most: {gains}.")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "config": asdict(self.config),
            "judged_queries": self.classifier.num_judged,
            "made_texts": self.classifier.num_made,
            "heads": {
                head.name: {
                    "classes": len(head.values),
                    "held_out_queries": len(held.probability_R),
                    "permissions": [asdict(one) for one in self.inference.permissions[head]],
                }
                for head, held in zip(self.classifier.heads, self.classifier.held_out, strict=True)
            },
            "figures": {name: dict(means) for name, means in self.figures.items()},
        }


def tune_classifier(
    searcher: Searcher, dataset: Dataset, split: str, judged: Judgements, reporter: Reporter
) -> InferenceTuning | None:
    """Train a classifier, and let it do the most by which no figure of the search falls.

    Returns None where the catalogue has nothing to infer.
    """
    classifier = train_classifier(searcher.index, dataset, split, reporter)
    if classifier is None:
        return None
    config = replace(searcher.settings.classifier, strongest="filter")
    inference = Inference(classifier, config)
    figures: dict[str, dict[str, float]] = {}
    if inference.acts:
        queries = [query for query in judged.queries if query.text and not query.image]
        for strongest in ACTIONS:
            limited = replace(config, strongest=strongest)
            settings = replace(searcher.settings, classifier=limited)
            served = searcher.with_settings(settings, classifier)
            run = outcome(f"inferred: {strongest}", served, queries, reporter).run
            graded = judged.graded
            qrels = {query_id: graded.qrels[query_id] for query_id in run}
            scores = score_queries(qrels, run, graded.threshold)
            figures[strongest] = {m: float(np.mean([*scores[m].values()])) for m in MEASURES}
        off = figures["off"]
        for strongest in ACTIONS:
            own = figures[strongest]
            if all(round(own[m] - off[m], DIGITS) >= 0 for m in MEASURES):
                config = replace(config, strongest=strongest)
                break
    return InferenceTuning(classifier, config, inference, figures)


def _is_silent(permissions: tuple[Any, ...]) -> bool:
    return all(one.action == "off" for one in permissions)
