"""Processes that cannot import some packages, and end where they ask the network."""

import os
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
OFFLINE = """
import os
def refuse(event, arguments):
    named = event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
    if named or (event == "socket.connect" and isinstance(arguments[1], tuple)):
        print("asked the network:", event, arguments[1:], file=sys.stderr, flush=True)
        os._exit(77)
sys.addaudithook(refuse)
"""
RUN = """
sys.argv = ["windowshop", *{args}]
from windowshop.cli import main
main()
"""


def run_without(names, code):
    """Run Python code in a process that cannot import some packages."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKER.format(names=names) + OFFLINE + code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HF_HUB_OFFLINE": "0"},
    )


def command_without(names, *args):
    return run_without(names, RUN.format(args=[str(arg) for arg in args]))
