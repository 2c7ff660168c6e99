"""Count the faults that `make faults` tried, for docs/reliability.md.

    make faults                                  # writes benchmarks/results/faults.json at its end
    python benchmarks/faults.py build/faults.jsonl --out benchmarks/results/faults.json
    python benchmarks/faults.py part.jsonl --add --out benchmarks/results/faults.json

Each line of the files given is one fault, or one restart, of a test in tests/faults; a test that
fails ends `make faults` before anything is counted. Times are the median and the longest one. Each
row has the commit of the code that was tried; with `--add`, rows that were there and are not in
the files stay with theirs.
"""

import argparse
import json
import statistics
from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import Any

from windowshop.files import write_json
from windowshop.model import environment

KINDS = {"kills": "kill", "damages": "damage", "full_disks": "full disk"}
"""Kinds of faults by the name of their rows."""


def counted(
    lines: list[dict[str, Any]], commit: str, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return numbers of faults by kind and by what they hit, and the times of restarts.

    `before` has counts whose rows stay where the lines have none of their name.
    """
    earlier = before or {}
    named = {name: _rows(lines, kind, commit) for name, kind in KINDS.items()}
    for row in named["kills"]:
        row.pop("False", None)
        if "True" in row:
            row["during_admin_calls"] = row.pop("True")
    for name, rows in named.items():
        found = {row["name"] for row in rows}
        rows += [row for row in earlier.get(name, []) if row["name"] not in found]
        rows.sort(key=itemgetter("name"))
    totals = {f"num_{name}": sum(row["count"] for row in rows) for name, rows in named.items()}
    return {**totals, **named, "restart": _restarts(lines, commit) or earlier.get("restart")}


def _rows(lines: list[dict[str, Any]], kind: str, commit: str) -> list[dict[str, Any]]:
    """Count faults by what they hit; parts are how they came out, or during admin calls or not."""
    found = [line for line in lines if line["kind"] == kind]
    rows = []
    for name, count in sorted(Counter(line["what"] for line in found).items()):
        of_it = (line for line in found if line["what"] == name)
        parts = Counter(
            str(line[key]) for line in of_it for key in ("outcome", "admin") if key in line
        )
        rows.append({"name": name, "count": count, "commit": commit, **dict(sorted(parts.items()))})
    return rows


def _restarts(lines: list[dict[str, Any]], commit: str) -> dict[str, Any] | None:
    found = [line for line in lines if line["kind"] == "restart"]
    if not found:
        return None
    seconds = [line["seconds"] for line in found]
    return {
        "products": found[0]["products"],
        "count": len(seconds),
        "commit": commit,
        "median_s": round(statistics.median(seconds), 2),
        "longest_s": round(max(seconds), 2),
    }


def main() -> None:
    """Count what is given."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("files", nargs="+", type=Path, help="files of FAULTS_COUNTS")
    parser.add_argument("--add", action="store_true", help="keep the other rows of --out")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    texts = [path.read_text(encoding="utf-8") for path in args.files]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    before = json.loads(args.out.read_text(encoding="utf-8")) if args.add else None
    made_by = environment()
    found = counted(lines, made_by.get("commit", ""), before)
    write_json(args.out, {**found, "environment": made_by}, chosen="file")


if __name__ == "__main__":
    main()
