"""Rate and peak memory of importing a large feed, in a process of its own.

python benchmarks/import_speed.py --rows 1000000 --out benchmarks/results/import_speed.json
python benchmarks/import_speed.py --rows 1000000 --kill --out benchmarks/results/import_killed.json

With --kill the import is killed once half of the products are written, and run again.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PART_ROWS = 10_000
"""Products that an import writes at a time."""
WORDS = ("red", "blue", "green", "checked", "striped", "cotton", "wool", "shirt", "coat", "shoe")
HEADER = (
    "id,title,description,link,image link,price,sale price,availability,brand,product type,"
    "item group id,color,size,gtin,custom label 0"
)


def write_feed(path: Path, num_rows: int) -> None:
    """Write a Google feed: variants in fours, HTML, prices of two forms, some rows twice."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER + "\n")
        for i in range(num_rows):
            word, other = WORDS[i % len(WORDS)], WORDS[(i * 7 + 3) % len(WORDS)]
            price = f'"{1000 + i % 900:,}.{i % 100:02} EUR"' if i % 3 else f"{i % 90}.50 EUR"
            row = i - 1 if i % 1000 == 999 else i
            fields = (
                f"A{row:08},{word} {other} no {row},<p>Soft &amp; {word} {other}.</p>",
                f"https://x.example/{row},https://x.example/{row}.jpg,{price},,in stock",
                f"Brand {row % 50},Home > {word.title()},G{row // 4},{WORDS[row % 3]}",
                f"{row % 4},{row:013},{row % 7}",
            )
            file.write(",".join(fields) + "\n")


def measure(source: Path, out: Path) -> dict[str, float]:
    """Import in a process of its own; returns seconds, rows a second and peak memory."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "windowshop", "import", str(source), "--out", str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert done.stdout
    return {"seconds": round(seconds, 1), "peak_mb": round(peak)}


def measure_killed(source: Path, out: Path, num_rows: int) -> dict[str, float]:
    """Kill an import half way and run it again; returns the seconds of each and peak memory."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "windowshop", "import", str(source), "--out", str(out)]
    half = out.with_name(f".{out.name}.import") / f"part-{num_rows // 2 // PART_ROWS - 1:05}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as first:
        while not half.exists() and first.poll() is None:
            time.sleep(0.1)
        first.kill()
    killed_after = round(time.perf_counter() - started, 1)
    again = measure(source, out)
    return {
        "killed_after_s": killed_after,
        "killed_after_products": (num_rows // 2 // PART_ROWS) * PART_ROWS,
        "seconds": again["seconds"],
        "peak_mb": again["peak_mb"],
    }


def main() -> None:
    """Write a feed, import it, and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "feed.csv"
        write_feed(source, options.rows)
        out = Path(folder) / "shop"
        found = measure_killed(source, out, options.rows) if options.kill else measure(source, out)
        report = json.loads((Path(folder) / "shop" / "import_report.json").read_text())
        megabytes = source.stat().st_size / 1e6
    flags = " --kill" if options.kill else ""
    result = {
        "command": f"python benchmarks/import_speed.py --rows {options.rows}{flags}",
        "num_rows": options.rows,
        "feed_mb": round(megabytes),
        **found,
        **({} if options.kill else {"rows_per_s": round(options.rows / found["seconds"])}),
        "counts": report["counts"],
        "notes": {note["kind"]: note["count"] for note in report["notes"]},
        "format": report["format"],
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
