"""Seconds of every command of docs/tutorial.md, from an export to the first answer over HTTP.

    python benchmarks/tutorial_time.py LUMA --out benchmarks/results/tutorial_time.json

LUMA is a folder with `products.parquet` and images. A CSV is written of it, and the commands of the
page are run on it one after the other, each in a process of its own, with an empty cache; `serve`
until it has answered a search. The file has seconds of the clock and of the processors, and the
share of the processors that others took meanwhile.
"""

import argparse
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.files import write_json
from windowshop.model import environment

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
TRIES, WAIT_SECONDS = 300, 0.2
LAST = "serve"
"""Command that the measured part of the page ends with."""
CACHED = ("train", "evaluate", "index")
ADDRESS = re.compile(r"http://[\w.]+:(\d+)")
EVALUATED = "evaluation.json"


def page_commands(page: Path) -> list[str]:
    """Return the commands of the page up to `serve`."""
    lines = [line for block in BLOCK.findall(page.read_text("utf-8")) for line in block.split("\n")]
    commands = [line for line in lines if line]
    names = [shlex.split(command)[1] for command in commands]
    return commands[: names.index(LAST) + 1]


def with_options(command: str) -> list[str]:
    """Return the arguments of a command, with a cache of its own, and a file of the figures."""
    _, name, *rest = shlex.split(command)
    arguments = [sys.executable, "-m", "windowshop", name, *rest]
    if name in CACHED:
        arguments += ["--cache", "cache"]
    if name == "evaluate":
        arguments += ["--json", EVALUATED]
    return arguments


def run(command: str, folder: Path) -> dict[str, Any]:
    """Run a command to its end; `serve` until it has answered a search."""
    before, started = os.times(), time.perf_counter()
    arguments = with_options(command)
    if shlex.split(command)[1] == LAST:
        _serve([*arguments, "--port", "0"], folder)
    else:
        subprocess.run(arguments, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return {
        "command": command,
        "wall_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(used, 1),
    }


def _serve(arguments: list[str], folder: Path) -> None:
    with subprocess.Popen(
        arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        told = ""
        for line in server.stdout:
            told += line
            if found := ADDRESS.search(line):
                break
        else:
            raise SystemExit(f"serve printed no address:\n{told}")
        answer = _first_answer(int(found[1]))
        server.terminate()
        assert answer["results"], answer


def _first_answer(port: int) -> dict[str, Any]:
    """Search until the service has opened the index."""
    body, kind = json.dumps({"text": "blue shirt"}), {"Content-Type": "application/json"}
    for _ in range(TRIES):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/search", body, kind)
        told = connection.getresponse()
        answer: dict[str, Any] = json.loads(told.read())
        connection.close()
        if told.status != HTTPStatus.SERVICE_UNAVAILABLE:
            return answer
        time.sleep(WAIT_SECONDS)
    raise SystemExit(f"serve gave no answer: {answer}")


def processors() -> tuple[float, float]:
    """Return the seconds that all processors were busy, and that passed on all, since the start."""
    fields = Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    ticks = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def measure(data: Path) -> dict[str, Any]:
    """Run the page on a CSV of a folder's products, in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        products = pl.read_parquet(data / "products.parquet")
        products.write_csv(folder / "export.csv")
        shutil.copytree(data / "images", folder / "images")
        busy, passed = processors()
        commands = [run(command, folder) for command in page_commands(PAGE)]
        busy_now, passed_now = processors()
        evaluated = json.loads((folder / EVALUATED).read_text("utf-8"))
        dev = json.loads((folder / "model" / "manifest.json").read_text("utf-8"))["dev"]
    total = {key: round(sum(row[key] for row in commands), 1) for key in ("wall_s", "cpu_s")}
    total["wall_min"] = round(total["wall_s"] / 60, 1)
    total["cpu_min"] = round(total["cpu_s"] / 60, 1)
    others = busy_now - busy - total["cpu_s"]
    return {
        "data": data.name,
        "num_products": len(products),
        "commands": {shlex.split(row["command"])[1]: row for row in commands},
        "total": total,
        "processors": os.cpu_count(),
        "taken_by_others": round(max(0.0, others) / (passed_now - passed), 2),
        "dev": dev,
        "evaluation": {
            "num_queries": evaluated["num_queries"],
            "systems": {
                name: {m: part["all"][m]["mean"] for m in ("ndcg@10", "recall@100")}
                for name, part in evaluated["systems"].items()
            },
        },
    }


def main() -> None:
    """Measure and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="folder with products.parquet and images")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/tutorial_time.json"), metavar="FILE"
    )
    given = parser.parse_args()
    began = environment()
    found = {**measure(given.data), "environment": began}
    write_json(given.out, found)
    for row in found["commands"].values():
        print(f"{row['wall_s']:7.1f} s  {row['cpu_s']:7.1f} s cpu  {row['command']}")
    print(f"{found['total']['wall_s']:7.1f} s  {found['total']['cpu_s']:7.1f} s cpu  in all")


if __name__ == "__main__":
    main()
