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
    """Return numbers of faults by kind and by what they hit."""

    def numbers(kind: str, also: str = "") -> list[dict[str, Any]]:
        found = [line for line in lines if line["kind"] == kind]
        counts = Counter(line["what"] for line in found)
        more = Counter((line["what"], str(line[also])) for line in found if also in line)
        rows: list[dict[str, Any]] = []
        for name, count in sorted(counts.items()):
            parts = {part: n for (what, part), n in sorted(more.items()) if what == name}
            rows.append({"name": name, "count": count, **parts})
        return rows

    def under_admin(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            row.pop("False", None)
            if "True" in row:
                row["during_admin_calls"] = row.pop("True")
        return rows

    restarts = [line for line in lines if line["kind"] == "restart"]
    seconds = [line["seconds"] for line in restarts]
    found = {
        "kills": under_admin(numbers("kill", "admin")),
        "damages": numbers("damage", "outcome"),
        "full_disks": numbers("full disk"),
    }
    totals = {f"num_{kind}": sum(row["count"] for row in rows) for kind, rows in found.items()}
    if seconds:
        found |= {
            "restart": {
                "products": restarts[0]["products"],
                "count": len(seconds),
                "median_s": round(statistics.median(seconds), 2),
                "longest_s": round(max(seconds), 2),
            }
        }
    return {**totals, **found}


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
