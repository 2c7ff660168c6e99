"""The JavaScript client against the real service, and its types against the API's models."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.browsing import served

from windowshop._version import __version__
from windowshop.service.http.requests import SearchBody
from windowshop.service.http.responses import EventsAnswer, ResultAnswer, SearchAnswer

CLIENT = Path(__file__).parents[2] / "clients" / "js"
TYPES = (CLIENT / "index.d.ts").read_text(encoding="utf-8")
NODE = shutil.which("node")


def fields_of(interface):
    """Names of the fields of an interface, not those of objects within."""
    body = re.search(rf"export interface {interface} {{\n(.*?)\n}}", TYPES, re.S)[1]
    return set(re.findall(r"^  (\w+)\??:", body, re.M))


@pytest.mark.skipif(NODE is None, reason="there is no node on this machine")
def test_every_call_works_against_the_service(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    with served(index, also=()) as address:
        script = Path(__file__).parent / "calls.mjs"
        command = [NODE, script, CLIENT / "index.js", address.rstrip("/")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)["answer"]
    assert set(answer) == fields_of("Answer")
    assert set(answer["results"][0]) == fields_of("Result")


def test_the_types_are_those_of_the_service():
    assert fields_of("SearchOptions") == set(SearchBody.model_fields) - {"text"}
    assert fields_of("Answer") == set(SearchAnswer.model_fields)
    assert fields_of("Reported") == set(EventsAnswer.model_fields)
    assert fields_of("Result") == set(ResultAnswer.model_fields)


def test_the_package_is_small_and_needs_nothing():
    package = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))
    assert package["version"] == __version__
    assert "dependencies" not in package
    assert all((CLIENT / name).is_file() for name in package["files"])
    assert (CLIENT / "index.js").stat().st_size < 8_000
