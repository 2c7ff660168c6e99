"""Rates measured on a small index."""

import pytest
from support.faults import files_of

from windowshop.search import Workload, make_plan, read_rates
from windowshop.search.planning import measure


@pytest.mark.slow
def test_rates_of_an_index(indexed, cli, tmp_path, monkeypatch):
    before = {name: (indexed / name).read_bytes() for name in files_of(indexed)}
    rates = tmp_path / "rates.json"
    few = cli("plan", "--measure", indexed, "--rates", rates)
    assert few.code == 1
    assert "too few to measure by" in few.err
    assert not rates.exists()

    monkeypatch.setattr(measure, "MIN_PRODUCTS", 50)
    monkeypatch.setattr(measure, "MIN_GROWN", 1_500)
    told = cli("plan", "--measure", indexed, "--rates", rates, "--products", "1e6")
    assert told.code == 0, told.err
    assert "1,000,000 products" in told.out
    found = read_rates(rates)
    assert (found.products, found.grown, found.width, found.image_width) == (100, 1_500, 32, 16)
    assert found.images_per_second > 0
    assert 1 < found.search_ms < 1_000
    assert found.disk_bytes > 100
    assert make_plan(Workload(products=1_000), found).parts == 1
    assert before == {name: (indexed / name).read_bytes() for name in files_of(indexed)}
