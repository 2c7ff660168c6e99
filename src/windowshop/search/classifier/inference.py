"""Actions of a classifier, by its errors on held-out queries and the bounds of the shop.

Shapes: R held-out records of a head.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from windowshop.errors import ConfigError
from windowshop.search.classifier.classes import Head
from windowshop.search.classifier.model import Classifier, Guess, HeldOut
from windowshop.search.understanding.recognition import Action, Recognised, chosen
from windowshop.search.understanding.understood import Understanding

THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95)
"""Probabilities that are tried; each has its share of the doubt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassifierConfig:
    """Bounds of what may be inferred from the meaning of a query."""

    strongest: Action = "filter"
    """Strongest action of something inferred; `off` infers nothing."""
    max_lost_filter: float = 0.02
    """Share of the relevant products that an inferred filter may lose."""
    max_lost_boost: float = 0.1
    """Share of the relevant products, of those that state the column, that may be of another value
    than an inferred boost moves up."""
    confidence: float = 0.95
    """Confidence with which held-out queries must show either."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("max_lost_filter", "max_lost_boost", "confidence"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must lie between 0 and 1.")


@dataclass(frozen=True, slots=True)
class Permission:
    """Least probability from which a head may act, and what held-out queries say of it."""

    action: Action
    """`off` where it may not."""
    threshold: float
    num_queries: int
    """Held-out queries with a probability from the threshold on; of `off`, all of them."""
    lost: float
    """Their mean loss."""
    bound: float
    """Most that it is, with the confidence asked for."""

    def __str__(self) -> str:
        """Return what held-out queries say, in a few words."""
        return (
            f"on {self.num_queries} held-out queries {self.lost:.1%} of the relevant products were "
            f"of another value (at most {self.bound:.1%})"
        )


def highest_loss(losses_R: np.ndarray, doubt: float) -> float:
    """Return the one-sided Clopper-Pearson bound of a mean of shares.

    Shares vary less than counts of the same mean (Hoeffding 1963), so the bound holds for them.
    """
    count, total = len(losses_R), float(losses_R.sum())
    if total >= count:
        return 1.0
    return float(betaincinv(total + 1, count - total, 1 - doubt))


def permit(held: HeldOut, action: Action, config: ClassifierConfig) -> Permission:
    """Return the lowest threshold at which the loss of an action is surely within its bound."""
    losses_R = held.unfiltered_R if action == "filter" else held.unmatched_R
    most = config.max_lost_filter if action == "filter" else config.max_lost_boost
    known_R = ~np.isnan(losses_R)
    losses_R, probability_R = losses_R[known_R], held.probability_R[known_R]
    doubt = (1 - config.confidence) / len(THRESHOLDS)
    for threshold in THRESHOLDS:
        own_R = losses_R[probability_R >= threshold]
        bound = highest_loss(own_R, doubt)
        if len(own_R) and bound <= most:
            return Permission(action, threshold, len(own_R), float(own_R.mean()), bound)
    lost = float(losses_R.mean()) if len(losses_R) else 1.0
    return Permission("off", 1.0, len(losses_R), lost, highest_loss(losses_R, doubt))


class Inference:
    """A classifier with what each of its heads may do."""

    def __init__(self, classifier: Classifier, config: ClassifierConfig) -> None:
        self.classifier, self.config = classifier, config
        actions: tuple[Action, ...] = ("filter", "boost")
        if config.strongest != "filter":
            actions = ("boost",) if config.strongest == "boost" else ()
        self.permissions: dict[Head, tuple[Permission, ...]] = {
            head: tuple(permit(held, action, config) for action in actions)
            for head, held in zip(classifier.heads, classifier.held_out, strict=True)
        }

    @property
    def acts(self) -> bool:
        """Return whether any head may do anything."""
        found = (one for permissions in self.permissions.values() for one in permissions)
        return any(one.action != "off" for one in found)

    def infer(
        self,
        guesses: tuple[Guess, ...],
        understanding: Understanding,
        choices: Mapping[str, Action],
        *,
        idle: bool = False,
    ) -> tuple[Recognised, ...]:
        """Return the guesses that act beside what the query names, which goes first.

        None does in a query with an identifier. With `idle`, likely ones that may not act come too.
        """
        if understanding.identified:
            return ()
        named = _named(understanding)
        items = self._items(guesses, named, choices, understanding.query)
        return tuple(item for item in items if idle or item.action != "off" or item.name in choices)

    def _items(
        self,
        guesses: tuple[Guess, ...],
        named: Collection[str],
        choices: Mapping[str, Action],
        text: str,
    ) -> Iterator[Recognised]:
        """Yield what is likely; of the levels of a category the lowest that may act, acts."""
        filtered: set[str] = set()
        boosted: set[str] = set()
        for guess in sorted(guesses, key=lambda guess: -guess.head.level):
            column = guess.head.column
            if column in named or column in filtered or guess.probability < THRESHOLDS[0]:
                continue
            item = self._item(guess, text)
            if item.name in choices:
                item = chosen(item, choices)
            elif item.action == "boost" and column in boosted:
                continue
            yield item
            if item.action != "off":
                (filtered if item.action == "filter" else boosted).add(column)

    def _item(self, guess: Guess, text: str) -> Recognised:
        head, value = guess.head, guess.head.words(guess.place)
        action: Action = "off"
        reason = "the search settings infer nothing"
        for permission in self.permissions[head]:
            reason = f"held-out queries do not show that it is right often enough: {permission}"
            if permission.action != "off" and guess.probability >= permission.threshold:
                action, reason = permission.action, str(permission)
                break
        if guess.is_common:
            action, reason = "off", "most products are of it"
        reason = f"{guess.probability:.0%} likely by its meaning; {reason}"
        return Recognised(
            name=f"{head.column}: {value}",
            text=text,
            tree=head.tree(guess.place),
            action=action,
            certainty=guess.probability,
            reason=reason,
            kind="inferred",
        )


def _named(understanding: Understanding) -> set[str]:
    """Return the columns of which the query names a value, or excludes one."""
    named = {match.meaning.column for match in understanding.matches}
    return named | {m.column for one in understanding.exclusions for m in one.meanings}
