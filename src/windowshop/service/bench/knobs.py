"""Settings of searches by text that can be turned, each by its path in search.yaml.

A channel stands in its path by its name: `text.channels.words.weight`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from windowshop.errors import ConfigError
from windowshop.search import Action, MergeConfig, SearchSettings
from windowshop.service.http.errors import ServiceError
from windowshop.settings import from_dict, to_dict

Value: TypeAlias = bool | float | str
SCORED = ("weighted_sum", "calibrated")
ACTIONS = get_args(Action)


@dataclass(frozen=True, kw_only=True, slots=True)
class Knob:
    """One setting, with what it may be."""

    path: str
    group: str
    label: str
    value: Value
    """As it is served now."""
    kind: Literal["range", "choice", "switch"] = "range"
    low: float = 0.0
    high: float = 1.0
    step: float = 0.01
    """A whole step is of whole numbers."""
    options: tuple[str, ...] = ()


def knobs_of(settings: SearchSettings, *, learned: tuple[str, ...] = ()) -> tuple[Knob, ...]:
    """Return what can be turned; `learned` names the tuned parts that searches use."""
    return (
        *_channels(settings.text),
        *_boosts(settings),
        *_cutoffs(settings),
        *_words(settings),
        *_order(settings, learned),
    )


def changed(settings: SearchSettings, changes: Mapping[str, Value]) -> SearchSettings:
    """Return the settings with some of them changed.

    Raises ServiceError 422 for an unknown path and for a value that does not fit.
    """
    if not changes:
        return settings
    known = {knob.path: knob for knob in knobs_of(settings, learned=("classifier", "ranker"))}
    plain = to_dict(settings)
    for path, value in changes.items():
        if path not in known:
            raise ServiceError(
                422,
                "unknown_setting",
                f"{path!r} cannot be changed here, only {', '.join(known)}.",
                where="changes",
            )
        _put(plain, path.split("."), _fitting(known[path], value))
    if plain["text"]["method"] not in SCORED:
        plain["text"]["points"] = 0.0  # places are divided instead
    try:
        made: SearchSettings = from_dict(SearchSettings, plain, "search.yaml")
    except ConfigError as error:
        raise ServiceError(422, "bad_setting", str(error), where="changes") from None
    return made


def _fitting(knob: Knob, value: Value) -> Value:
    """Return a value in the type of the setting; JSON does not tell 3 from 3.0."""
    if isinstance(knob.value, int) and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _put(plain: dict[str, Any], path: list[str], value: Value) -> None:
    for name in path[:-1]:
        found = plain[name] if isinstance(plain, dict) else None
        if isinstance(plain, list | tuple):
            found = next(item for item in plain if item["name"] == name)
        plain = found
    plain[path[-1]] = value


def _channels(text: MergeConfig) -> Iterator[Knob]:
    yield Knob(
        path="text.method",
        group="Channels",
        label="Merge by",
        value=text.method,
        kind="choice",
        options=("weighted_sum", "reciprocal_rank", "interleave")
        + (("calibrated",) if text.is_calibrated else ()),
    )
    for channel in text.channels:
        yield Knob(
            path=f"text.channels.{channel.name}.weight",
            group="Channels",
            label=f"Weight of {channel.name}",
            value=channel.weight,
            high=_above(channel.weight),
        )


def _boosts(settings: SearchSettings) -> Iterator[Knob]:
    text, precision = settings.text, settings.precision
    yield Knob(
        path="strongest",
        group="Boosts",
        label="What a query names may",
        value=settings.strongest,
        kind="choice",
        options=ACTIONS,
    )
    if text.method in SCORED:
        yield Knob(
            path="text.points",
            group="Boosts",
            label="Points of a match",
            value=text.points,
            high=_above(text.points),
        )
    yield Knob(
        path="precision.boost",
        group="Boosts",
        label="Place divided by (at 0 points)",
        value=precision.boost,
        low=1,
        high=10,
        step=0.5,
    )
    yield Knob(
        path="precision.min_certainty",
        group="Boosts",
        label="Certainty of a filter",
        value=precision.min_certainty,
    )


def _cutoffs(settings: SearchSettings) -> Iterator[Knob]:
    def cutoff(name: str, label: str, high: float = 1.0, step: float = 0.01) -> Knob:
        value = getattr(settings.text.cutoff, name)
        path, high = f"text.cutoff.{name}", max(high, value)
        return Knob(path=path, group="Cut-off", label=label, value=value, high=high, step=step)

    yield cutoff("min_share", "Least share of the best score")
    if settings.text.is_calibrated:
        yield cutoff("min_probability", "Least probability")
        yield cutoff("sure_from", "Only if the best has probability")
    yield cutoff("min_results", "Results that stay at least", 500, 10)
    yield cutoff("max_candidates", "Results at most", 10_000, 10)
    yield Knob(
        path="certainty.min_probability",
        group="Cut-off",
        label="Found what was asked from",
        value=settings.certainty.min_probability,
    )
    yield Knob(
        path="certainty.max_closest",
        group="Cut-off",
        label="Closest results at most",
        value=settings.certainty.max_closest,
        low=1,
        high=max(100, settings.certainty.max_closest),
        step=1,
    )


def _words(settings: SearchSettings) -> Iterator[Knob]:
    for name, label, low, high in (
        ("description", "Weight of the description", 0.01, 1),
        ("k1", "Repeated words count (k1)", 0, 3),
        ("b", "Long texts count less (b)", 0, 1),
    ):
        value = getattr(settings.bm25, name)
        path = f"bm25.{name}"
        yield Knob(
            path=path, group="Words", label=label, value=value, low=low, high=max(high, value)
        )


def _order(settings: SearchSettings, learned: tuple[str, ...]) -> Iterator[Knob]:
    if "classifier" in learned:
        yield Knob(
            path="classifier.strongest",
            group="Order",
            label="What is inferred may",
            value=settings.classifier.strongest,
            kind="choice",
            options=ACTIONS,
        )
    if "ranker" in learned:
        yield Knob(
            path="ranker.use",
            group="Order",
            label="Order as learned",
            value=settings.ranker.use,
            kind="switch",
        )
    yield Knob(
        path="diversity.method",
        group="Order",
        label="Keep alike apart",
        value=settings.diversity.method,
        kind="choice",
        options=("none", "mmr"),
    )
    yield Knob(
        path="diversity.weight",
        group="Order",
        label="Weight of variety",
        value=settings.diversity.weight,
    )


def _above(value: float) -> float:
    """Return the end of a scale on which a weight can be doubled."""
    return max(1.0, round(2 * value, 1))
