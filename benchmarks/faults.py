"""Count the faults that `make faults` tried, for docs/reliability.md.

    make faults                                  # writes benchmarks/results/faults.json at its end
    python benchmarks/faults.py build/faults.jsonl --out benchmarks/results/faults.json

Each line of the files given is one fault, or one restart, of a test in tests/faults; a test that
fails ends `make faults` before anything is counted. Times are the median and the longest one.
"""

import argparse
import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from windowshop.files import write_json
from windowshop.model import environment


def counted(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return numbers of faults by kind and by what they hit, and the times of restarts."""
    kills, damages, disks = (_rows(lines, kind) for kind in ("kill", "damage", "full disk"))
    for row, key in ((row, key) for row in kills for key in ("False", "True") if key in row):
        count = row.pop(key)
        row |= {"during_admin_calls": count} if key == "True" else {}
    named = {"kills": kills, "damages": damages, "full_disks": disks}
    totals = {f"num_{name}": sum(row["count"] for row in rows) for name, rows in named.items()}
    return {**totals, **named, "restart": _restarts(lines)}


def _rows(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Count faults by what they hit; parts are how they came out, or during admin calls or not."""
    found = [line for line in lines if line["kind"] == kind]
    rows = []
    for name, count in sorted(Counter(line["what"] for line in found).items()):
        of_it = (line for line in found if line["what"] == name)
        parts = Counter(
            str(line[key]) for line in of_it for key in ("outcome", "admin") if key in line
        )
        rows.append({"name": name, "count": count, **dict(sorted(parts.items()))})
    return rows


def _restarts(lines: list[dict[str, Any]]) -> dict[str, Any] | None:
    found = [line for line in lines if line["kind"] == "restart"]
    if not found:
        return None
    seconds = [line["seconds"] for line in found]
    return {
        "products": found[0]["products"],
        "count": len(seconds),
        "median_s": round(statistics.median(seconds), 2),
        "longest_s": round(max(seconds), 2),
    }


def main() -> None:
    """Count what is given."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("files", nargs="+", type=Path, help="files of FAULTS_COUNTS")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    texts = [path.read_text(encoding="utf-8") for path in args.files]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    write_json(args.out, {**counted(lines), "environment": environment()}, chosen="file")


if __name__ == "__main__":
    main()
