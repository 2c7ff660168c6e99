"""Packages of npm that tests load into a page."""

import shutil
import subprocess

import pytest

NPM = shutil.which("npm")
OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0")


def install(folder):
    """Install what the lock file of a folder names; skips the test where that cannot be had."""
    if NPM is None:
        pytest.skip("there is no npm on this machine")
    done = _npm("ci", *OPTIONS, folder=folder)
    if done.returncode and _npm("ping", "--fetch-retries=0", folder=folder).returncode:
        pytest.skip("npm cannot reach its registry")
    assert done.returncode == 0, done.stderr


def _npm(*args, folder):
    command = [NPM, *args]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
