"""Run of a study of regimes, from a data folder to a report folder."""

from pathlib import Path

from windowshop.data import Dataset
from windowshop.encoders import pick_device
from windowshop.errors import ConfigError
from windowshop.files import DEFAULT_CACHE
from windowshop.model import environment
from windowshop.progress import SILENT, Reporter
from windowshop.study.locking import locked
from windowshop.study.regimes.cells import CellResult, Grid, Source
from windowshop.study.regimes.config import RegimesConfig, base_of
from windowshop.study.regimes.page import write_page
from windowshop.study.regimes.results import (
    CellFigures,
    RegimeResults,
    SeedFigures,
    scores_of,
)
from windowshop.study.workers import fitting_workers, run_workers


def compare_regimes(
    dataset: Dataset,
    config: RegimesConfig,
    out: str | Path,
    cache_folder: Path = DEFAULT_CACHE,
    reporter: Reporter = SILENT,
    *,
    workers: int | None = 1,
) -> RegimeResults:
    """Run a study of regimes and write its report folder.

    Finished cells are kept in `out/runs`: a study that was cut off goes on where it stopped, and a
    changed one trains only the cells that are new. After Ctrl-C the report is of the finished
    cells. Workers are as in `compare`. Raises ConfigError while another study writes to
    `out`.
    """
    out = Path(out)
    if workers is not None and workers < 1:
        raise ConfigError(f"workers={workers}: need at least one process.")
    with locked(out):
        source = Source(dataset, config, out / "runs", cache_folder)
        grid = Grid(source, reporter)
        tasks = grid.tasks()
        device = pick_device(base_of(config).device)
        num_workers = workers or fitting_workers(device, len(tasks))
        interrupted = False
        try:
            with (
                run_workers(source, tasks, num_workers) as wait,
                reporter.bar("Train regimes", len(tasks)) as advance,
            ):
                for task in tasks:
                    wait(task)
                    grid.run(task)
                    advance(1, f"seed {task.seed}, {task.regime.name}")
        except KeyboardInterrupt:
            interrupted = True
            reporter.note("Cut off: the report is of the finished cells.")
        if not interrupted:
            grid.clear()
        results = _collect(grid, num_workers)
        write_page(results, out)
        return results


def _collect(grid: Grid, num_workers: int) -> RegimeResults:
    dataset, config = grid.dataset, grid.config
    found: dict[str, list[CellResult]] = {}
    cells, num_missing = [], 0
    for cell in config.cells():
        kept = [result for seed in config.seeds if (result := grid.kept(cell, seed)) is not None]
        num_missing += len(config.seeds) - len(kept)
        if not kept:
            continue
        found[cell.name] = kept
        figures = [SeedFigures(seed=r.seed, dev=r.dev, seconds=r.seconds) for r in kept]
        cells.append(CellFigures(cell=cell, seeds=tuple(figures)))
    baselines = grid.baselines()
    found |= {name: [result] for name, result in baselines.items()}
    return RegimeResults(
        data=dataset.root.resolve().name,
        counts={
            "products": len(dataset.products),
            **{f"{name} queries": len(dataset.split(name)) for name in ("train", "dev", "test")},
            "judgements": len(dataset.qrels),
        },
        hashes=grid.prepared.hashes,
        environment=environment() | {"workers": str(num_workers), "BM25": str(grid.bm25.choice)},
        config=config,
        cells=tuple(cells),
        baselines=tuple(baselines),
        num_missing=num_missing,
        scores=scores_of(found),
    )
