"""Rate of false discoveries of tests of a difference, where there is none.

    python benchmarks/null_effects.py --out benchmarks/results/null_effects.json

Draws studies of two systems that are equally good: each query's difference is a query's effect, a
seed's effect and what is left, all of mean 0. Counts how often each test calls the mean difference
significant at 5%: `queries` averages seeds and flips signs of queries, as windowshop once did,
`bootstrap` draws queries and seeds with replacement, `scaled` also makes the seeds' spread
sqrt(S / (S - 1)) times larger, `satterthwaite` takes one t for the whole variance of the mean, and
`windowshop` is `windowshop.evaluation.compare`.

`small` has the sizes of the five smallest effects of a study of 43 variants (docs/log.md): standard
deviations over seeds of both means and the error over queries, a third of whose variance is taken
for the interaction of query and seed. With `--scores STUDY/per_query.parquet` sizes are instead
measured from a study, between its variants and `--reference`.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import t as student

from windowshop.evaluation import ALL, SeedScores, compare, scores_of_seeds
from windowshop.files import write_json
from windowshop.model import environment

ALPHA = 0.05
MEASURE = "ndcg@10"
NUM_QUERIES = 563
REFERENCE_SD = 0.0024
SMALL = {
    "no_domain": (0.0016, 0.0015),
    "one_stage": (0.0008, 0.0013),
    "two_stages": (0.0032, 0.0015),
    "no_modality_dropout": (0.0020, 0.0013),
    "no_masks": (0.0032, 0.0008),
}
"""Deviation of a variant's mean over seeds, and error of its difference over queries."""
SHARE_OF_REST = 1 / 3


@dataclass(frozen=True, slots=True)
class Sizes:
    """Standard deviations of the effects on one query's difference."""

    seed: float
    query: float
    rest: float


def small_effects() -> list[Sizes]:
    """Return the sizes of each comparison in SMALL."""
    sizes = []
    for deviation, error in SMALL.values():
        rest = SHARE_OF_REST * error**2 * NUM_QUERIES * 3
        query = (1 - SHARE_OF_REST) * error**2 * NUM_QUERIES
        seed = max(0.0, REFERENCE_SD**2 + deviation**2 - rest / NUM_QUERIES)
        sizes.append(Sizes(seed**0.5, query**0.5, rest**0.5))
    return sizes


def measured_effects(path: Path, reference: str) -> list[Sizes]:
    """Return the sizes in a study's per-query scores, of each variant with the same seeds."""
    table = pl.read_parquet(path).filter(slice=ALL, measure=MEASURE)
    scores = {
        str(name): scores_of_seeds(
            {int(s): part for (s,), part in rows.partition_by("seed", as_dict=True).items()}
        )[ALL, MEASURE]
        for (name,), rows in table.partition_by("variant", as_dict=True).items()
    }
    base = scores.pop(reference)
    return [
        sizes_of(item.value_SQ - base.value_SQ)
        for item in scores.values()
        if item.seeds == base.seeds and len(base.seeds) > 1
    ]


def sizes_of(value_SQ: np.ndarray) -> Sizes:
    """Estimate the sizes from mean squares; a negative variance is 0."""
    num_seeds, num_queries = value_SQ.shape
    seed_S, query_Q = value_SQ.mean(axis=1), value_SQ.mean(axis=0)
    rest_SQ = value_SQ - seed_S[:, None] - query_Q + value_SQ.mean()
    rest = (rest_SQ**2).sum() / ((num_seeds - 1) * (num_queries - 1))
    seed = max(0.0, seed_S.var(ddof=1) - rest / num_queries)
    query = max(0.0, query_Q.var(ddof=1) - rest / num_seeds)
    return Sizes(float(seed**0.5), float(query**0.5), float(rest**0.5))


def draw(
    sizes: list[Sizes], num_studies: int, num_seeds: int, num_queries: int, tail: float, seed: int
) -> np.ndarray:
    """Draw the differences of studies without an effect, (studies, seeds, queries).

    Studies take the sizes in turn. `tail` are the degrees of freedom of the queries' effects: few
    make heavy tails.
    """
    rng = np.random.default_rng(seed)
    turns = [sizes[i % len(sizes)] for i in range(num_studies)]
    of_seed, of_query, of_rest = (
        np.array([getattr(item, name) for item in turns])[:, None, None]
        for name in ("seed", "query", "rest")
    )
    heavy = rng.standard_t(tail, (num_studies, 1, num_queries)) / (tail / (tail - 2)) ** 0.5
    drawn: np.ndarray = (
        of_seed * rng.normal(size=(num_studies, num_seeds, 1))
        + of_query * heavy
        + of_rest * rng.normal(size=(num_studies, num_seeds, num_queries))
    )
    return drawn


def false_rates(value_NSQ: np.ndarray, num_resamples: int) -> dict[str, float]:
    """Return the share of studies that each test calls significant."""
    rng = np.random.default_rng(1)
    _, num_seeds, num_queries = value_NSQ.shape
    mean_NQ = value_NSQ.mean(axis=1)
    flips_RQ = rng.choice(np.array([-1.0, 1.0]), (num_resamples, num_queries))
    extreme_RN = np.abs(flips_RQ @ mean_NQ.T) >= np.abs(mean_NQ.sum(axis=1))
    p_N = (1 + extreme_RN.sum(axis=0)) / (1 + num_resamples)
    seeds_RS = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), num_resamples)
    queries_RQ = rng.multinomial(num_queries, np.full(num_queries, 1 / num_queries), num_resamples)
    # The mean of each seed over the drawn queries, then over the drawn seeds.
    seed_NSR = value_NSQ @ (queries_RQ.T / num_queries)
    drawn_NR = np.einsum("rs,nsr->nr", seeds_RS / num_seeds, seed_NSR)
    centre_NR = seed_NSR.mean(axis=1)
    scaled_NR = centre_NR + (drawn_NR - centre_NR) * (num_seeds / (num_seeds - 1)) ** 0.5
    ids = tuple(map(str, range(num_queries)))
    seeds = tuple(range(num_seeds))
    nothing = SeedScores(seeds, ids, np.zeros((num_seeds, num_queries)))
    found = [compare(SeedScores(seeds, ids, value_SQ), nothing) for value_SQ in value_NSQ]
    return {
        "queries": float((p_N < ALPHA).mean()),
        "bootstrap": _excludes_zero(drawn_NR),
        "scaled": _excludes_zero(scaled_NR),
        "satterthwaite": _satterthwaite(value_NSQ),
        "windowshop": float(np.mean([item.p_value < ALPHA for item in found if item])),
    }


def _excludes_zero(mean_NR: np.ndarray) -> float:
    low_N, high_N = np.percentile(mean_NR, [2.5, 97.5], axis=1)
    return float(((low_N > 0) | (high_N < 0)).mean())


def _satterthwaite(value_NSQ: np.ndarray) -> float:
    """Return the share that Student's t with Satterthwaite's degrees of freedom rejects."""
    _, num_seeds, num_queries = value_NSQ.shape
    seed_NS, query_NQ = value_NSQ.mean(axis=2), value_NSQ.mean(axis=1)
    mean_N = query_NQ.mean(axis=1)
    rest_NSQ = value_NSQ - seed_NS[:, :, None] - query_NQ[:, None] + mean_N[:, None, None]
    freedom = (num_seeds - 1) * (num_queries - 1)
    rest_N = (rest_NSQ**2).sum(axis=(1, 2)) / freedom / (num_seeds * num_queries)
    of_seeds_N = seed_NS.var(axis=1, ddof=1) / num_seeds
    of_queries_N = np.maximum(0, query_NQ.var(axis=1, ddof=1) / num_queries - rest_N)
    variance_N = of_seeds_N + of_queries_N
    squares_N = of_seeds_N**2 / (num_seeds - 1) + of_queries_N**2 / (num_queries - 1)
    p_N = 2 * student.sf(np.abs(mean_N) / variance_N**0.5, variance_N**2 / squares_N)
    return float((p_N < ALPHA).mean())


def scenarios(seen: list[Sizes]) -> dict[str, tuple[list[Sizes], int, float]]:
    """Return sizes, number of queries and degrees of freedom of the queries' effects by name."""
    one = Sizes(0.003, 0.035, 0.035)
    return {
        "small": (seen, NUM_QUERIES, 100),
        "no seed effect": ([Sizes(0.0, one.query, one.rest)], NUM_QUERIES, 100),
        "seed effect alone": ([Sizes(one.seed, 0.0, 0.001)], NUM_QUERIES, 100),
        "interaction alone": ([Sizes(0.0, 0.0, one.rest)], NUM_QUERIES, 100),
        "heavy tails": ([one], NUM_QUERIES, 3),
        "40 queries": ([one], 40, 100),
    }


def _highest(rates: dict[str, dict[str, dict[str, float]]], test: str) -> float:
    """Return a test's highest rate at three seeds or more."""
    return max(
        found[test]
        for by_seeds in rates.values()
        for seeds, found in by_seeds.items()
        if seeds != "2 seeds"
    )


def main() -> None:
    """Simulate, print and write the rates."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--studies", type=int, default=4000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--reference")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    began = environment()
    seen = small_effects()
    if arguments.scores:
        seen = measured_effects(arguments.scores, arguments.reference)
    rates: dict[str, dict[str, dict[str, float]]] = {}
    for name, (sizes, num_queries, tail) in scenarios(seen).items():
        for num_seeds in (2, 3, 5):
            blocks = []
            for block in range(0, arguments.studies, 200):
                value_NSQ = draw(sizes, 200, num_seeds, num_queries, tail, block)
                blocks.append(false_rates(value_NSQ, arguments.resamples))
            means = {test: float(np.mean([b[test] for b in blocks])) for test in blocks[0]}
            rates.setdefault(name, {})[f"{num_seeds} seeds"] = means
            cells = "  ".join(f"{test} {rate:.3f}" for test, rate in means.items())
            print(f"{name:20} {num_seeds} seeds  {cells}", flush=True)
    if arguments.out:
        content = {
            "studies": arguments.studies,
            "resamples": arguments.resamples,
            "level": ALPHA,
            "seen": [asdict(item) for item in seen],
            "significant": rates,
            "highest": {
                name: _highest(rates, name) for name in next(iter(rates.values()))["3 seeds"]
            },
            "environment": began,
        }
        write_json(arguments.out, content, chosen="file")


if __name__ == "__main__":
    main()
