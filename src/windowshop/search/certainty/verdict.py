"""Verdict on a search: whether it has what was asked, and what cannot be had together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from windowshop.search.understanding.recognition import Action

FoundWhat: TypeAlias = Literal["certain", "closest"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """Products that meet all wishes but one."""

    text: str
    keeps: str
    """Wishes that they meet, in words; `anything` where no other was made."""
    gives_up: str
    """Name of the recognised item that they do not meet."""
    total: int
    low: float | None
    """Lowest and highest of their prices."""
    high: float | None
    choices: Mapping[str, Action]
    """For `choices` of the request that shows them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmet:
    """Wishes that no product meets together."""

    names: tuple[str, ...]
    """Names of the recognised items."""
    text: str
    alternatives: tuple[Alternative, ...] = ()
    """Nearest alternatives, those first that give up the least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Certainty:
    """Probability that a search has what was asked, with reasons."""

    found: FoundWhat
    """`closest` where the results are only the closest to what was asked."""
    probability: float | None
    """None where a filter says it, or nothing was searched by vectors and by words."""
    text: str
    """Reason in words; empty where it was found."""
    unknown: tuple[str, ...] = ()
    """Words that no product has."""
    unmet: Unmet | None = None
    signs: Mapping[str, float] = field(default_factory=dict)
    """Part of each sign in the logit of the probability; in explained answers."""
