"""Simulated clicks of shoppers who look at the first results most.

Position-based model (Richardson et al. 2007, doi:10.1145/1242572.1242643): a click needs that the
position is looked at, with chance 1 / rank^eta, and that the product attracts, with chance
noise + (1 - noise) (2^grade - 1) / (2^highest - 1), independently. Shapes: Q queries, S sessions,
K products shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from windowshop.data import DESIRABILITY, EVENT_SCHEMA
from windowshop.errors import ConfigError

HOUR_S = 3_600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ClickModel:
    """Settings of simulated shoppers."""

    sessions: int = 20
    """Searches of each query."""
    shown: int = 20
    """Products shown, best first."""
    eta: float = 1.5
    """Strength of the position bias; 0 is none."""
    noise: float = 0.1
    """Chance that a product without a grade attracts who looks at it."""
    swaps: float = 0.0
    """Spread of the orders that sessions see; 0 shows the same one to all."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if min(self.sessions, self.shown) < 1:
            raise ConfigError(f"clicks: sessions={self.sessions} and shown={self.shown}: need 1.")
        if min(self.eta, self.swaps) < 0 or not 0 <= self.noise < 1:
            raise ConfigError(
                f"clicks: eta={self.eta} and swaps={self.swaps} must be from 0 on, "
                f"noise={self.noise} < 1."
            )


def simulate_clicks(
    judged: pl.DataFrame, ranking: Mapping[str, Mapping[str, float]], model: ClickModel, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return raw clicks as qrels and refusals.

    `judged` are the true grades (query_id, product_id, grade), `ranking` is the search that was
    clicked in. A clicked product has grade 1 and its clicks as weight; one that was never clicked,
    but stood above a click, is refused. Products that are not judged have grade 0.
    """
    attraction = _attractions(judged, model)
    clicked: list[tuple[str, str, float]] = []
    passed: list[tuple[str, str]] = []
    for place, query in enumerate(judged["query_id"].unique(maintain_order=True)):
        scores = ranking.get(query, {})
        shown = sorted(scores, key=lambda product: -scores[product])[: model.shown]
        if not shown:
            continue
        attracts_K = np.array([attraction.get((query, product), model.noise) for product in shown])
        chance_K = attracts_K * look_chance(len(shown), model.eta)
        rng = np.random.default_rng([seed, place])
        click_SK = rng.random((model.sessions, len(shown))) < chance_K
        for product, count, above in zip(shown, *count_clicks(click_SK), strict=True):
            if count:
                clicked.append((query, product, float(count)))
            elif above:
                passed.append((query, product))
    pair = {"query_id": pl.String, "product_id": pl.String}
    kind = pl.lit(DESIRABILITY).alias("kind")
    qrels = pl.DataFrame(clicked, {**pair, "weight": pl.Float64}, orient="row")
    grade = pl.lit(1, pl.Int64).alias("grade")
    return (
        qrels.select("query_id", "product_id", grade, kind, "weight"),
        pl.DataFrame(passed, pair, orient="row").with_columns(kind),
    )


def simulate_log(
    asked: Mapping[str, str],
    judged: pl.DataFrame,
    ranking: Mapping[str, Mapping[str, float]],
    model: ClickModel,
    seed: int,
) -> pl.DataFrame:
    """Return the log that such shoppers leave behind, as events (`windowshop.data.EVENT_SCHEMA`).

    `asked` are the texts of the queries. Each session is one search, an hour after the one before;
    queries come in turn. With `swaps`, sessions see different orders.
    """
    attraction = _attractions(judged, model)
    rows: list[tuple[object, ...]] = []
    for place, (query, text) in enumerate(asked.items()):
        scores = ranking.get(query, {})
        best = sorted(scores, key=lambda product: -scores[product])
        attracts = np.array([attraction.get((query, product), model.noise) for product in best])
        rng = np.random.default_rng([seed, place])
        for session in range(model.sessions if best else 0):
            # Gumbel noise on the log of the rank: neighbours change places, far ones seldom.
            key = np.log(1 + np.arange(len(best))) - model.swaps * rng.gumbel(size=len(best))
            order = np.argsort(key)[: model.shown]
            chance_K = attracts[order] * look_chance(len(order), model.eta)
            clicked_K = rng.random(len(order)) < chance_K
            time = HOUR_S * (session * len(asked) + place)
            visit = f"{query} {session}"
            for rank, product in enumerate(order.tolist()):
                row = (visit, visit, None, text, time + rank, best[product], rank + 1)
                rows.append((*row, "impression", None, "simulated"))
                if clicked_K[rank]:
                    rows.append((*row, "click", None, "simulated"))
    return pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")


def count_clicks(click_SK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the clicks at each position, and whether one stood above a click of its session."""
    later_SK = np.cumsum(click_SK[:, ::-1], axis=1)[:, ::-1] > click_SK
    return np.asarray(click_SK.sum(axis=0)), np.asarray(later_SK.any(axis=0))


def look_chance(num_shown: int, eta: float) -> np.ndarray:
    """Return the chance that each position is looked at, (K,): 1 at the first."""
    return np.asarray(np.arange(1, num_shown + 1, dtype=np.float64) ** -eta)


def _attractions(judged: pl.DataFrame, model: ClickModel) -> dict[tuple[str, str], float]:
    """Return the chance that a judged product attracts who looks at it."""
    highest = judged["grade"].max()
    best = float(2.0**highest - 1) if isinstance(highest, int) else 1.0
    return {
        (query, product): model.noise + (1 - model.noise) * (2.0**grade - 1) / best
        for query, product, grade in judged.select("query_id", "product_id", "grade").rows()
    }
