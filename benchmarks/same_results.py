"""Compare what two checkouts make of the demo: weights, evaluation and search answers, bit for bit.

    python benchmarks/same_results.py OLD NEW --out build/same

Runs `windowshop demo` and six searches in both checkouts with this interpreter, and exits with 1
where a tensor, a figure or an answer differs. Times are left out of answers.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

LEFT_OUT = ("search_id",)
SEARCHES = (
    ["red shoes"],
    ["striped t-shirt for men"],
    ["strped shrt"],
    ["blue bag", "--where", "price < 500"],
    ["the same in red", "--image", "IMAGE"],
    ["--image", "IMAGE"],
)
"""IMAGE stands for the first image of the shop."""


def run(checkout: Path, arguments: list[str]) -> str:
    """Run a windowshop command of a checkout; returns what it printed."""
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve() / "src")}
    command = [sys.executable, "-m", "windowshop", *arguments]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def results(checkout: Path, out: Path) -> dict[str, Any]:
    """Make the demo with a checkout; returns digests of tensors, figures and answers by name."""
    if not (out / "index").exists():
        run(checkout, ["demo", str(out)])
    found: dict[str, Any] = {}
    for path in sorted((out / "model").rglob("*.safetensors")):
        for name, tensor in load_file(path).items():
            digest = hashlib.sha256(tensor.tobytes()).hexdigest()
            found[f"{path.relative_to(out)}:{name}"] = digest
    for path in sorted(out.glob("*.json")):
        found[path.name] = json.loads(path.read_text(encoding="utf-8"))
    image = str(min((out / "data" / "images").iterdir()))
    for search in SEARCHES:
        arguments = [image if part == "IMAGE" else part for part in search]
        answer = json.loads(run(checkout, ["search", str(out / "index"), *arguments, "--json"]))
        found[" ".join(search)] = without_times(answer)
    return found


def without_times(value: Any) -> Any:  # noqa: ANN401
    """Return plain values without times, paths and the random id of a search."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not k.endswith("_ms") and k not in LEFT_OUT}
        return {key: without_times(item) for key, item in kept.items()}
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def main() -> None:
    """Compare the two checkouts and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/same"))
    arguments = parser.parse_args()
    old = results(arguments.old, arguments.out / "old")
    new = results(arguments.new, arguments.out / "new")
    different = [name for name in sorted(old | new) if old.get(name) != new.get(name)]
    print(f"{len(old)} results compared, {len(different)} differ", *different, sep="\n")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
