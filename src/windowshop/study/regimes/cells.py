"""Cells of a study of regimes: thinned, trained, ranked, scored and kept on disk one by one."""

import shutil
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from windowshop._version import __version__
from windowshop.config import TrainConfig
from windowshop.data import Dataset, lexical_texts
from windowshop.engines import count_terms
from windowshop.errors import DataError
from windowshop.evaluation import BM25, TunedBM25, query_texts, relevance_threshold, score_queries
from windowshop.files import read_sealed, write_sealed
from windowshop.progress import Reporter, SilentReporter
from windowshop.settings import to_dict
from windowshop.study.controls import without_images
from windowshop.study.regimes.config import Cell, RegimesConfig, base_of, training_of
from windowshop.study.regimes.regime import Ranking, Regime, in_category, thinned
from windowshop.study.systems import (
    Queries,
    Run,
    frozen_run,
    lexical_ranker,
    product_ids,
    queries_of,
    trained_run,
)
from windowshop.study.training import Sharing, digest, train_variant
from windowshop.study.workers import Do
from windowshop.training import PreparedData, open_cache, prepare, with_generated

FORMAT = "windowshop-regime-cell-2"
MEASURES = ("ndcg@10", "recall@100")
"""Measures kept of every test query."""
BASELINES = ("bm25", "frozen_text")
"""Systems that no training judgement changes: tuned BM25, and the text encoder as it comes."""
Scores = dict[str, dict[str, float]]
"""measure -> query_id -> value."""


@dataclass(frozen=True, slots=True)
class Task:
    """All cells of one regime with one seed, which share trainings."""

    seed: int
    regime: Regime


@dataclass(frozen=True, kw_only=True, slots=True)
class CellResult:
    """Scores of one cell, or of a baseline, with one seed."""

    seed: int
    scores: Scores
    dev: dict[str, float] = field(default_factory=dict)
    """Dev figures of the final weights, `score` among them."""
    seconds: float = 0.0
    """Time of the trainings behind it, those shared with other cells included."""


@dataclass(frozen=True, slots=True)
class Source:
    """Data and settings from which each worker prepares the grid."""

    dataset: Dataset
    config: RegimesConfig
    folder: Path
    cache_folder: Path

    def prepare(self) -> Do:
        """Encode what the cache lacks, and return what runs one task."""
        return Grid(self, SilentReporter()).run


class Grid:
    """The cells of a study, ready to run; what is finished is kept in the source's folder."""

    def __init__(self, source: Source, reporter: Reporter) -> None:
        self._source, self.config, self.dataset = source, source.config, source.dataset
        self._base = base_of(source.config)
        self._cells = source.config.cells()
        trainings = [training_of(self.config, cell, self.config.seeds[0]) for cell in self._cells]
        self._stages = [stage for training in trainings for stage in training.stages]
        self._cache = open_cache(self._base, source.cache_folder)
        self.prepared = prepare(self.dataset, self._base, self._cache, reporter, self._stages)

    def tasks(self) -> list[Task]:
        """Return the tasks that are not finished, seed after seed, in the order of the blocks."""
        return [
            Task(seed, regime)
            for seed in self.config.seeds
            for regime in dict.fromkeys(cell.regime for cell in self._cells)
            if any(self.kept(cell, seed) is None for cell in self._of(regime))
        ]

    def run(self, task: Task) -> None:
        """Train and score the cells of a task that are not kept yet."""
        folder = self._source.folder / f"weights-{task.seed}"
        work = folder / digest(asdict(task.regime))
        missing = [cell for cell in self._of(task.regime) if self.kept(cell, task.seed) is None]
        if not missing:
            return
        todo = [(cell, training_of(self.config, cell, task.seed)) for cell in missing]
        todo.sort(key=lambda item: _data_settings(item[1], self._base))  # prepared once each
        test = self.test(task.regime.category)
        dataset = thinned(
            self.dataset, task.regime, task.seed, self.config.clicks, self._ranking_for(task.regime)
        )
        latest: tuple[str, PreparedData] | None = None
        for cell, config in todo:
            data = _data_settings(config, self._base)
            if latest is None or latest[0] != data:
                latest = data, self._prepared(dataset, config, task)
            key = digest(self._data_key(), asdict(task.regime), asdict(self.config.clicks), data)
            sharing = Sharing(folder, digest(self._data_key(), *_catalogue_part(task)))
            trained = train_variant(latest[1], config, key, work, sharing)
            scorer = latest[1].dev_scorer
            run = trained_run(latest[1], trained.model, test)
            result = CellResult(
                seed=task.seed,
                scores=_scores(run, test),
                dev=scorer(trained.model) if scorer else {},
                seconds=trained.state.seconds,
            )
            write_sealed(self._path(cell, task.seed), {"cell": cell.name, **asdict(result)})
        shutil.rmtree(work, ignore_errors=True)

    def kept(self, cell: Cell, seed: int) -> CellResult | None:
        """Return a cell's result, or None where it is not finished."""
        path = self._path(cell, seed)
        if not path.exists():
            return None
        try:
            content = read_sealed(path)
            del content["cell"]
            return CellResult(**content)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(
                f"{path}: cannot be read ({error}). Delete the file and run the study again."
            ) from None

    def clear(self) -> None:
        """Delete the weights of finished seeds."""
        for folder in self._source.folder.glob("weights-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def baselines(self) -> dict[str, CellResult]:
        """Score the systems without training, on the test queries of every category."""
        both = self.test("")
        runs: dict[str, Run] = {
            "bm25": self.bm25.run(both.texts),
            "frozen_text": frozen_run(self.prepared, "text", self._dev, both),
        }
        found = {}
        for category in dict.fromkeys(cell.regime.category for cell in self._cells):
            test = self.test(category)
            for name, run in runs.items():
                result = CellResult(seed=0, scores=_scores(run, test))
                found[baseline_name(name, category)] = result
        return found

    @cached_property
    def bm25(self) -> TunedBM25:
        """Return BM25 of the catalogue, its parameters chosen on dev."""
        return lexical_ranker(self.prepared, self._dev)

    @property
    def _dev(self) -> Queries:
        return queries_of(self.prepared, "dev", self._base.loss.label_weights)

    def test(self, category: str) -> Queries:
        """Return the test queries; beside a category those that other products answer."""
        test = queries_of(self.prepared, "test", self._base.loss.label_weights)
        if not category:
            return test
        inside = set(in_category(self.dataset, category))
        others = {
            query: {product: grade for product, grade in judged.items() if product not in inside}
            for query, judged in test.qrels.items()
        }
        grades = [grade for judged in others.values() for grade in judged.values()]
        return replace(
            test,
            qrels={query: judged for query, judged in others.items() if judged},
            threshold=relevance_threshold(pl.DataFrame({"grade": grades}, {"grade": pl.Int64})),
        )

    def _of(self, regime: Regime) -> list[Cell]:
        return [cell for cell in self._cells if cell.regime == regime]

    def _prepared(self, dataset: Dataset, config: TrainConfig, task: Task) -> PreparedData:
        prepared = prepare(dataset, config, self._cache, SilentReporter(), self._stages)
        share = task.regime.missing_images
        prepared = without_images(prepared, share, task.seed) if share else prepared
        return with_generated(prepared, config) if config.generated_queries else prepared

    def _ranking_for(self, regime: Regime) -> Ranking:
        return self._logged if regime.judgements == "clicks" else {}

    @cached_property
    def _logged(self) -> Ranking:
        """Rank the training queries by plain BM25, the search that simulated shoppers click in."""
        counts = count_terms(lexical_texts(self.dataset.products, self.dataset.language))
        return BM25(counts, product_ids(self.prepared)).run(
            query_texts(self.dataset.split("train"))
        )

    def _data_key(self) -> str:
        encoders = (self._cache.text.fingerprint, self._cache.image.fingerprint)
        return digest(__version__, self.prepared.hashes, *encoders)

    def _path(self, cell: Cell, seed: int) -> Path:
        clicks = asdict(self.config.clicks) if cell.regime.judgements == "clicks" else {}
        config = to_dict(training_of(self.config, cell, seed))
        name = digest(FORMAT, self._data_key(), asdict(cell.regime), clicks, config)
        return self._source.folder / "cells" / f"{name}.json"


def baseline_name(name: str, category: str) -> str:
    """Return the name that results carry for a baseline."""
    return f"{name} / only {category}" if category else name


def _scores(run: Run, test: Queries) -> Scores:
    scores = score_queries(test.qrels, run, test.threshold)
    return {measure: scores[measure] for measure in MEASURES}


def _data_settings(config: TrainConfig, base: TrainConfig) -> str:
    """Return a digest of the settings that the prepared data depends on."""
    return digest(to_dict(replace(config, model=base.model, stages=base.stages)))


def _catalogue_part(task: Task) -> tuple[object, ...]:
    """Return what a domain stage reads of a task: images, and dev judgements of a category."""
    share = task.regime.missing_images
    return share, task.seed if share else 0, task.regime.category
