import json
import shutil
import urllib.request
from pathlib import Path

import pytest
from support.browsing import judged_table, served
from support.npm import install
from support.services import serving

AXE = Path(__file__).parent / "axe"


@pytest.fixture
def bench(page_index, tmp_path):
    """A client of the shop of `browsing`, whose index may be written."""
    with serving(shutil.copytree(page_index, tmp_path / "index"), also=("g1",)) as client:
        yield client


@pytest.fixture(scope="session")
def axe_script(tmp_path_factory):
    """The checker of accessibility, as a script."""
    folder = shutil.copytree(AXE, tmp_path_factory.mktemp("axe") / "axe")
    install(folder)
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def violations(axe_script):
    """Returns what axe finds on a page, by rule."""

    def found(page):
        page.evaluate(f"() => {{ {axe_script} }}")
        told = page.evaluate("axe.run().then((found) => found.violations)")
        return {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in told}

    return found


@pytest.fixture
def measure_address(page_index, tmp_path):
    """Where a copy of the shop is served that may be changed, with a hundred judged queries."""
    with served(shutil.copytree(page_index, tmp_path / "index")) as address:
        body = {"name": "hundred", "content": judged_table(100)}
        asked = urllib.request.Request(
            f"{address}workbench/sets",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(asked).close()
        yield address
