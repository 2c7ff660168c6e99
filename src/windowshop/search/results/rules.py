"""A shop's own rules for its results, from a YAML file.

    rules:
      - name: summer sale
        queries: [summer dress, dress]   without it, the rule holds for every query
        match: contains                  or exact (the default), by words
        start: 2026-06-01                both days included; either may be left out
        end: 2026-08-31
        pin: [p17, p4]                   products at places 1 and 2
        place: 1
        where: 'brand = "Acme" and price < 50'
        boost: 2                         place / 2 for what passes the filter; 0.5 buries

Shapes: M merged products.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from windowshop.data import parse_filter, to_polars, words_of
from windowshop.errors import ConfigError, FilterError
from windowshop.search.answer import Effect
from windowshop.search.results.pins import Pin, rows_of, with_pins
from windowshop.search.retrieval.boosts import matching
from windowshop.search.retrieval.merge import Merged
from windowshop.settings import load_settings, parse_settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Pins products, or boosts or buries those of a filter."""

    name: str
    queries: tuple[str, ...] = ()
    match: Literal["exact", "contains"] = "exact"
    start: date = date.min
    end: date = date.max
    pin: tuple[str, ...] = ()
    """Product ids."""
    place: int = 1
    """Place of the first pinned product; the others follow."""
    where: str = ""
    boost: float = 1.0

    def __post_init__(self) -> None:
        """Check that the rule is complete and changes something."""
        problem = self._problem()
        if problem:
            raise ConfigError(f"Rule {self.name!r}: {problem}")

    def _problem(self) -> str:
        if type(self.start) is not date or type(self.end) is not date or self.start > self.end:
            return f"start={self.start}, end={self.end}: write two days, the earlier one first."
        if self.place < 1 or self.boost <= 0:
            return f"place={self.place} starts at 1, boost={self.boost} must be above 0."
        if not self.pin and (not self.where or self.boost == 1):
            return "it changes nothing. Give it `pin`, or `where` with a `boost` other than 1."
        if not all(map(words_of, self.queries)):
            return "a query has no letter or digit. Leave `queries` out to mean every query."
        try:
            parse_filter(self.where) if self.where else None
        except FilterError as error:
            return f"where: {error}"
        return ""

    def applies(self, query: str, today: date) -> bool:
        """Return whether the rule holds for a query on a day."""
        if not self.start <= today <= self.end:
            return False
        asked = " ".join(["", *words_of(query), ""])
        phrases = [" ".join(["", *words_of(text), ""]) for text in self.queries]
        if not phrases:
            return True
        return asked in phrases if self.match == "exact" else any(p in asked for p in phrases)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """Rules of a shop, in the order of its file."""

    rules: tuple[Rule, ...] = ()

    def active(self, query: str, today: date) -> tuple[Rule, ...]:
        """Return the rules that hold, in order."""
        return tuple(rule for rule in self.rules if rule.applies(query, today))


@dataclass(frozen=True, slots=True)
class RuledRanking:
    """A ranking after the rules."""

    merged: Merged
    order_M: np.ndarray
    """Place of each product before the rules, from 0."""
    pins: tuple[Pin, ...]
    """Pins that hold their places after variants are collapsed too."""
    _pinned_by: Mapping[int, str]
    _boosts: tuple[tuple[Rule, np.ndarray], ...]
    """Boosting rules, with the products that they match by places before."""

    def explain(self, place: int) -> tuple[Effect, ...]:
        """Return the effects on the product at a place, from 0."""
        effects = []
        key = int(self.merged.keys[place])
        if key in self._pinned_by:
            effects.append(Effect(self._pinned_by[key], "pin", 1.0))
        for rule, matched_M in self._boosts:
            if matched_M[self.order_M[place]]:
                kind: Literal["boost", "bury"] = "boost" if rule.boost > 1 else "bury"
                effects.append(Effect(rule.name, kind, rule.boost))
        return tuple(effects)


def load_rules(path: Path, schema: pl.Schema) -> Rules:
    """Read the YAML file; raises ConfigError for a rule that products of this schema do not fit."""
    return _fitting(load_settings(path, Rules), schema, str(path))


def parse_rules(text: str, schema: pl.Schema, where: str) -> Rules:
    """Read rules as `load_rules` does, from YAML text; `where` names it in messages."""
    return _fitting(parse_settings(text, Rules, where), schema, where)


def _fitting(rules: Rules, schema: pl.Schema, where: str) -> Rules:
    for rule in rules.rules:
        try:
            if rule.where:
                to_polars(parse_filter(rule.where), schema)
        except FilterError as error:
            raise ConfigError(f"{where}: rule {rule.name!r}: where: {error}") from None
    return rules


def pinned_ids(rules: Sequence[Rule]) -> list[str]:
    """Return the pinned products, each once."""
    return list(dict.fromkeys(product_id for rule in rules for product_id in rule.pin))


def apply_rules(
    rules: Sequence[Rule], merged: Merged, columns: pl.DataFrame, keys: Mapping[str, int]
) -> RuledRanking:
    """Apply active rules: boosts first, then pins.

    `columns` is aligned with `merged`; `keys` has those of pinned products that may be shown.
    Where two rules pin to one place, the earlier rule has it; where they pin one product, too.
    """
    if not rules:
        return RuledRanking(merged, np.arange(len(merged.keys)), (), {}, ())
    boosts = [
        (rule, matching(parse_filter(rule.where), columns))
        for rule in rules
        if rule.where and rule.boost != 1
    ]
    factors_M = reduce(
        lambda factors, b: factors * np.where(b[1], b[0].boost, 1),
        boosts,
        np.ones(len(merged.keys)),
    )
    order_M = merged.moved(factors_M)
    pins, pinned_by = _pins(rules, keys, merged)
    row_of = rows_of(pins, merged.keys)
    pinned = np.array([row_of[pin.key] for pin in pins], dtype=np.int64)
    others = order_M[~np.isin(order_M, pinned)]
    order_M = with_pins(others, pinned, [pin.place for pin in pins])
    return RuledRanking(merged.take(order_M), order_M, pins, pinned_by, tuple(boosts))


def _pins(
    rules: Sequence[Rule], keys: Mapping[str, int], merged: Merged
) -> tuple[tuple[Pin, ...], dict[int, str]]:
    """Return pins by rising place, and the rule of each key."""
    wanted: dict[int, tuple[int, str]] = {}
    for rule in rules:
        for i, product_id in enumerate(rule.pin):
            if product_id in keys:
                wanted.setdefault(keys[product_id], (rule.place + i, rule.name))
    pins = [Pin(key, place) for key, (place, _) in wanted.items()]
    there = rows_of(pins, merged.keys)
    pins = sorted((pin for pin in pins if pin.key in there), key=lambda pin: pin.place)
    return tuple(pins), {pin.key: wanted[pin.key][1] for pin in pins}
