"""Cost of later features over HTTP: `windowshop serve` of two states of the code, by turns.

    python benchmarks/service_before.py INDEX DATA --before INDEX_BEFORE --source SRC --json FILE

INDEX is tuned, with classifier, ranker and certainty. INDEX_BEFORE is built by the earlier code,
whose `src` folder is SRC (`git worktree add FOLDER COMMIT`), and has the same settings as far as it
knows them. Both serve on loopback and are asked the same queries, none twice, by one client.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from kept_figures import write_figures
from service import ROUNDS, WARM_UP, Server, alone, free_port, never_asked, summary

from windowshop.data import read_dataset


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--before", type=Path, required=True, help="Index of the earlier code.")
    parser.add_argument("--source", type=Path, required=True, help="Its src folder.")
    parser.add_argument("--queries", type=int, default=450)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    dataset = read_dataset(options.data)
    texts = dataset.queries["query"].drop_nulls().unique(maintain_order=True).to_list()
    serve = [sys.executable, "-m", "windowshop", "serve"]
    old = ["env", f"PYTHONPATH={options.source.resolve()}", *serve, str(options.before)]
    with ExitStack() as stack:
        servers = {}
        for name, command in {"now": [*serve, str(options.index)], "before": old}.items():
            servers[name] = Server(command, free_port())
            stack.callback(servers[name].close)
        figures = measure(servers, texts, options.queries)
    figures["products"] = len(dataset.products)
    figures["cores"] = os.cpu_count()
    write_figures(figures, options.json, dataset)


def measure(servers: dict[str, Server], texts: list[str], queries: int) -> dict[str, Any]:
    """Ask every server the same queries, by turns, and compare query by query."""
    fresh = never_asked(texts)
    first = [next(fresh) for _ in range(WARM_UP)]
    for server in servers.values():
        alone(server.port, first)
    answers: dict[str, list[tuple[float, bool]]] = {name: [] for name in servers}
    for turn in range(ROUNDS):
        part = [next(fresh) for _ in range(queries // ROUNDS)]
        for name in sorted(servers, reverse=turn % 2 == 1):
            answers[name] += alone(servers[name].port, part)
    now, before = (np.array([took_ms for took_ms, _ in answers[name]]) for name in servers)
    return {
        **{name: summary(own) for name, own in answers.items()},
        "p50_more_ms": round(float(np.median(now) - np.median(before)), 2),
        "median_of_differences_ms": round(float(np.median(now - before)), 2),
    }


if __name__ == "__main__":
    main()
