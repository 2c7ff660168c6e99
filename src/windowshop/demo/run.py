"""First run on a generated shop: check, train, evaluate, index, and answer three searches."""

import shutil
import sys
import time
from contextlib import closing
from pathlib import Path

from rich.console import Console

from windowshop.config import StageConfig, TrainConfig
from windowshop.data import Dataset, check_dataset, read_dataset
from windowshop.demo.catalogue import DemoConfig, write_demo
from windowshop.errors import DataError
from windowshop.evaluation import evaluate, render_evaluation, write_evaluation
from windowshop.index import build_index
from windowshop.model import load
from windowshop.progress import Reporter
from windowshop.search import open_searcher, render_answer
from windowshop.training import train

SLICES = ("kind", "text_quality", "cold+text_quality")
NUM_RESULTS = 8
ADDRESS = "http://127.0.0.1:8000/"
"""Address of `windowshop serve` with its default host and port."""


def demo_config() -> TrainConfig:
    """Return the default training with fewer steps and the smaller image encoder."""
    return TrainConfig(
        image_encoder="efficientnet-lite0",
        stages=(
            StageConfig(name="domain", steps=60, batch_queries=512, eval_every=30),
            StageConfig(name="fused", steps=150, eval_every=30),
        ),
    )


def run_demo(
    folder: Path, shop: DemoConfig, recipe: TrainConfig, reporter: Reporter, console: Console
) -> None:
    """Run every step below `folder`; finished steps are kept."""
    started = time.perf_counter()
    data, model, index, cache = (folder / name for name in ("data", "model", "index", "cache"))
    console.rule("1. A generated shop")
    if not data.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_demo(data, shop)
    report = check_dataset(data, reporter=reporter)
    if not report.ok:
        raise DataError(f"{data}: the generated data has errors; remove the folder and run again.")
    dataset = read_dataset(data)
    console.print(
        f"{len(dataset.products)} drawn products and {len(dataset.queries)} queries in {data}; "
        "half of the texts leave out what the image shows."
    )
    console.rule("2. Train")
    train(dataset, model, recipe, cache, reporter)
    console.rule("3. Evaluate on queries that training never saw")
    trained = load(model)
    evaluation = evaluate(trained, dataset, "test", SLICES, cache, reporter)
    write_evaluation(evaluation, folder / "evaluation.json")
    console.print(render_evaluation(evaluation))
    console.rule("4. Index and search")
    build_index(trained, dataset, index, cache, reporter)
    _search(index, dataset, console)
    minutes, seconds = divmod(round(time.perf_counter() - started), 60)
    command = "windowshop" if shutil.which("windowshop") else f"{sys.executable} -m windowshop"
    console.rule("5. Look at it")
    for line in (
        f"All steps took {minutes} min {seconds} s. To search this shop on a page, run",
        f"    {command} serve {index}",
        f"and open {ADDRESS}",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _search(index: Path, dataset: Dataset, console: Console) -> None:
    """Search by text, by text with a filter, and by text and image together."""
    with_image = dataset.products.drop_nulls("image")
    example = dataset.root / with_image["image"][0]
    searches = (
        ("blue striped t-shirt", None, None),
        ("checked mug", None, "price < 15"),
        ("the same in red", example, None),
    )
    with closing(open_searcher(index)) as searcher:
        for text, image, where in searches:
            answer = searcher.search(text, image, k=NUM_RESULTS, where=where)
            console.print(render_answer(answer, image))
