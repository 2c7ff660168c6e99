"""Answers of a study of regimes: paired differences of cells, and the best cell of each regime."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from windowshop.evaluation import Comparison, Corrected, SeedScores, compare, correct
from windowshop.study.regimes.cells import BASELINES, baseline_name
from windowshop.study.regimes.config import PLAIN, Cell, Pair, Question
from windowshop.study.regimes.regime import Regime
from windowshop.study.regimes.results import CellFigures, RegimeResults

Key = tuple[str, Regime]
"""Row of a table of differences, and its regime."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with the differences that answer it, Holm corrected over all of them."""

    question: Question
    tested: dict[Key, Corrected]
    num_seeds: dict[Key, int]

    @property
    def rows(self) -> list[str]:
        """Return the names of the rows, in order."""
        return list(dict.fromkeys(row for row, _ in self.tested))

    @property
    def regimes(self) -> list[Regime]:
        """Return the regimes, in order."""
        return list(dict.fromkeys(regime for _, regime in self.tested))


@dataclass(frozen=True, slots=True)
class Best:
    """The cell of a regime that is best on dev, beside BM25."""

    regime: Regime
    cell: Cell
    against_bm25: Corrected


class CellScores:
    """Scores of cells and baselines by name and measure."""

    def __init__(self, scores: pl.DataFrame) -> None:
        parts = scores.partition_by("variant", as_dict=True)
        self._tables = {str(name): table for (name,), table in parts.items()}

    def of(self, name: str, measure: str, seeds: tuple[int, ...] | None = None) -> SeedScores:
        """Return the scores of a name, of some of its seeds."""
        table = self._tables[name].drop_nulls(measure)
        if seeds is not None:
            table = table.filter(pl.col("seed").is_in(seeds))
        own = tuple(int(seed) for seed in sorted(table["seed"].unique()))
        table = table.sort("seed", "query_id")
        queries = tuple(table.filter(seed=own[0])["query_id"])
        value_SQ = table[measure].to_numpy().astype(np.float64).reshape(len(own), len(queries))
        return SeedScores(own, queries, value_SQ)


def answer_all(results: RegimeResults, measure: str) -> list[Answer]:
    """Answer the study's questions; those without a pair of finished cells are left out."""
    scores = CellScores(results.scores)
    cells = {figures.cell: figures for figures in results.cells}
    answers = []
    for question in results.config.questions:
        found: dict[Key, Comparison] = {}
        num_seeds: dict[Key, int] = {}
        for better, worse in _pairs_of(question, cells):
            seeds = _common_seeds(cells[better], cells[worse])
            if not seeds:
                continue
            mine, theirs = (scores.of(cell.name, measure, seeds) for cell in (better, worse))
            comparison = compare(mine, theirs)
            if comparison is not None:
                key = row_name(better, worse), better.regime
                found[key], num_seeds[key] = comparison, len(seeds)
        if found:
            answers.append(Answer(question, correct(found), num_seeds))
    return answers


def best_cells(results: RegimeResults, measure: str) -> list[Best]:
    """Return the cell of every regime that is best on dev, tested against BM25."""
    scores = CellScores(results.scores)
    chosen: dict[Regime, tuple[float, Cell]] = {}
    for figures in results.cells:
        dev = [seed.dev["score"] for seed in figures.seeds if "score" in seed.dev]
        if not dev:
            continue
        candidate = float(np.mean(dev)), figures.cell
        best = chosen.get(figures.cell.regime)
        if best is None or candidate[0] > best[0]:
            chosen[figures.cell.regime] = candidate
    found: dict[Regime, Comparison] = {}
    for regime, (_, cell) in chosen.items():
        bm25 = scores.of(baseline_name(BASELINES[0], regime.category), measure)
        comparison = compare(scores.of(cell.name, measure), bm25)
        if comparison is not None:
            found[regime] = comparison
    return [Best(regime, chosen[regime][1], tested) for regime, tested in correct(found).items()]


def row_name(better: Cell, worse: Cell) -> str:
    """Return the name of a difference: "experts, fused: option no_masks − plain"."""
    shared = [
        value
        for field in ("fusion", "schedule", "option")
        if (value := getattr(better, field)) == getattr(worse, field) and value != PLAIN
    ]
    own = [
        ", ".join(
            getattr(cell, field)
            for field in ("fusion", "schedule", "option")
            if getattr(better, field) != getattr(worse, field)
        )
        for cell in (better, worse)
    ]
    return f"{', '.join(shared)}: {' − '.join(own)}" if shared else " − ".join(own)


def _pairs_of(question: Question, cells: Mapping[Cell, CellFigures]) -> Iterator[tuple[Cell, Cell]]:
    for pair in question.pairs:
        for cell in cells:
            if _matches(cell, pair):
                other = replace(cell, **pair.worse)  # type: ignore[arg-type]
                if other in cells and other != cell:
                    yield cell, other


def _matches(cell: Cell, pair: Pair) -> bool:
    option = {"option": PLAIN} | pair.better
    return all(getattr(cell, field) == value for field, value in option.items())


def _common_seeds(first: CellFigures, second: CellFigures) -> tuple[int, ...]:
    seeds = {seed.seed for seed in first.seeds} & {seed.seed for seed in second.seeds}
    return tuple(sorted(seeds))
