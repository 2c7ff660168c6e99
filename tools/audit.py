"""Look up the locked packages in PyPI's list of known vulnerabilities, by pip-audit.

Exit status: 0 where all were looked up and none is vulnerable, 1 where one is, 2 where some could
not be looked up. A mirror of PyPI often has files but not this list.
"""

import json
import subprocess
import sys
from typing import Any

from tools.packages import LOCKS

FILES = ("packages", "torch-pypi")


def main() -> int:
    """Look up and print; returns the exit status."""
    files = [part for name in FILES for part in ("-r", str(LOCKS / f"{name}.txt"))]
    how = ("--disable-pip", "--require-hashes", "--format=json", "--progress-spinner=off")
    command = [sys.executable, "-m", "pip_audit", *files, *how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"nothing was checked: {done.stderr.strip()[-300:]}")
        return 2
    status, lines = summary(found)
    print("\n".join(lines))
    return status


def summary(found: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print for what pip-audit found."""
    unchecked = [package["name"] for package in found if "skip_reason" in package]
    lines = [
        f"{package['name']} {package['version']}: {problem['id']}, "
        f"fixed in {', '.join(problem['fix_versions']) or 'no version yet'}"
        for package in found
        for problem in package.get("vulns", [])
    ]
    status = 1 if lines else 2 if unchecked or not found else 0
    checked = len(found) - len(unchecked)
    lines.append(f"{checked} packages checked, {len(lines)} known vulnerabilities")
    if unchecked:
        lines.append(
            f"{len(unchecked)} packages could NOT be checked, the index in use does not list them: "
            f"{', '.join(unchecked[:8])}{', ...' if len(unchecked) > 8 else ''}. "
            "Run this where PyPI itself answers."
        )
    return status, lines


if __name__ == "__main__":
    sys.exit(main())
