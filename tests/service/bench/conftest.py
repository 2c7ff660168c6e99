import json
import shutil
import urllib.request

import pytest
from support.browsing import index_shop, judged_table, served
from support.services import serving


@pytest.fixture(scope="session")
def quiet_index(tmp_path_factory, colours_model):
    """An index of the shop of `browsing` that nobody searches: its log is empty."""
    return index_shop(colours_model, tmp_path_factory.mktemp("quiet"))


@pytest.fixture
def bench(quiet_index, tmp_path):
    """A client of the shop of `browsing`, whose index may be written."""
    with serving(shutil.copytree(quiet_index, tmp_path / "index"), also=("g1",)) as client:
        yield client


@pytest.fixture
def measured_index(page_index, tmp_path):
    """A copy of the shop that may be changed."""
    return shutil.copytree(page_index, tmp_path / "index")


@pytest.fixture
def open_page(measure_address, open_page):
    """Opens a page, which is closed before the service of `measure_address` ends."""
    return open_page


@pytest.fixture
def measure_address(measured_index):
    """Where that copy is served, with a hundred judged queries."""
    with served(measured_index) as address:
        body = {"name": "hundred", "content": judged_table(100)}
        asked = urllib.request.Request(
            f"{address}workbench/sets",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(asked).close()
        yield address
