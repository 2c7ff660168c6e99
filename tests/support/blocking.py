"""Processes that cannot import some packages."""

import subprocess
import sys

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""
RUN = """
sys.argv = ["windowshop", *{args}]
from windowshop.cli import main
main()
"""


def run_without(names, code):
    """Run Python code in a process that cannot import some packages."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKER.format(names=names) + code],
        capture_output=True,
        text=True,
        check=False,
    )


def command_without(names, *args):
    return run_without(names, RUN.format(args=[str(arg) for arg in args]))
