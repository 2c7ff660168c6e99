"""Plans from rates: worked out by hand, and what grows with what."""

import json
import math
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from windowshop.cli.entry import app
from windowshop.errors import ConfigError
from windowshop.search import Hardware, Rates, Workload, make_plan, plan_all, read_rates

RATES = Rates(
    cpu="a processor",
    commit="",
    products=10_000,
    grown=100_000,
    width=512,
    image_width=256,
    texts_per_second=100,
    images_per_second=50,
    writes_per_second=10_000,
    search_ms=10,
    search_ms_per_million=20,
    flat_ns_per_number=0.1,
    graph_ms=2,
    graph_build_ms=0.5,
    memory_mb=500,
    memory_bytes=4_000,
    disk_bytes=2_000,
    model_mb=200,
)
MACHINE = Hardware(cores=10, memory_gb=100, price=300, disk_price=0.1, replicas=2)


def test_a_plan_by_hand():
    work = Workload(
        products=500_000, images=2, qps=100, changed=0.1, storage="4bit", max_ms=100, image_kb=50
    )
    plan = make_plan(work, RATES, MACHINE)
    assert plan.parts == 1
    assert plan.search_ms == pytest.approx(10 + 20 * 0.5 + 0.1 * 500_000 * 512 / 1e6)  # 45.6
    # 100 searches a second take 4.56 cores; 6 of 10 may be used, and two machines hold all.
    assert plan.machines == 2
    assert plan.qps == pytest.approx(2 * 6 / 0.0456)
    assert plan.encode_hours == pytest.approx(500_000 * (1 / 100 + 2 / 50) / 20 / 3600)
    assert plan.fill_hours == pytest.approx(50 / 3600)
    assert plan.nightly_minutes == pytest.approx(0.1 * (500_000 * 0.05 / 20 + 50) / 60)
    assert plan.memory_gb == pytest.approx(0.5 + 500_000 * (4_000 + 768 / 2) / 1e9)
    assert plan.disk_gb == pytest.approx(0.2 + 500_000 * (2_000 + 768 * 4) / 1e9)
    assert plan.images_gb == pytest.approx(50)
    assert plan.cost == pytest.approx(600 + (2 * plan.disk_gb + 50) * 0.1)


def test_a_catalogue_is_cut_until_memory_and_time_hold():
    work = Workload(products=100_000_000, qps=10, storage="int8", max_ms=30)
    plan = make_plan(work, RATES, MACHINE)
    assert plan.search_ms <= 30
    fewer = math.ceil(100_000_000 / (plan.parts - 1))
    assert 10 + 20 * fewer / 1e6 + 2 * math.log(fewer) / math.log(100_000) > 30
    assert plan.memory_gb <= 75
    small = replace(MACHINE, memory_gb=1)
    assert make_plan(work, RATES, small).machines > plan.machines


def test_what_costs_more():
    work = Workload(products=3_000_000, qps=50, storage="4bit", max_ms=1_000)
    plan = make_plan(work, RATES, MACHINE)
    assert make_plan(replace(work, qps=5_000), RATES, MACHINE).machines > plan.machines
    assert make_plan(work, RATES, replace(MACHINE, speed=2)).search_ms == plan.search_ms / 2
    assert make_plan(replace(work, width=64), RATES, MACHINE).search_ms < plan.search_ms
    auto = make_plan(replace(work, storage="auto"), RATES, MACHINE)
    every = list(plan_all(work, RATES, MACHINE, [512]))
    assert auto.machines == min(other.machines for other in every)
    assert {other.storage for other in every} == {"4bit", "int8"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: Workload(products=0), "nothing to plan"),
        (lambda: Workload(products=1, images=-1), "must not be negative"),
        (lambda: Hardware(cores=0), "at least 1"),
        (lambda: Hardware(price=-1), "prices"),
        (lambda: make_plan(Workload(products=9), RATES, Hardware(memory_gb=0.1)), "not even hold"),
        (lambda: make_plan(Workload(products=9, max_ms=5), RATES), "without any product"),
        (
            lambda: make_plan(Workload(products=9), replace(RATES, images_per_second=0)),
            "--images 0",
        ),
        (lambda: replace(RATES, search_ms=-1), "must not be negative"),
    ],
)
def test_what_cannot_be_planned_is_said(change, message):
    with pytest.raises(ConfigError, match=message):
        change()


def test_the_shipped_rates_and_files_of_rates(tmp_path):
    assert read_rates().grown > read_rates().products
    path = tmp_path / "rates.json"
    path.write_text(json.dumps(asdict(RATES)))
    assert read_rates(path) == RATES
    for content in ("{", '{"cpu": "x"}', json.dumps(asdict(RATES) | {"more": 1})):
        path.write_text(content)
        with pytest.raises(ConfigError, match=r"rates\.json"):
            read_rates(path)


def test_the_command(tmp_path):
    path = tmp_path / "rates.json"
    path.write_text(json.dumps(asdict(RATES)))
    run = CliRunner().invoke(app, ["plan", "--products", "1e8", "--rates", str(path)])
    assert run.exit_code == 0
    assert "100,000,000 products" in run.output
    assert "extrapolated" in run.output
    options = ["plan", "--products", "20000", "--rates", str(path), "--json"]
    found = json.loads(CliRunner().invoke(app, options).output)
    plan = make_plan(Workload(products=20_000), RATES)
    assert found["plan"] == asdict(plan)
    assert found["rates"] == asdict(RATES)
    for wrong in (["--products", "many"], ["--products", "5", "--rates", str(tmp_path / "no")], []):
        failed = CliRunner().invoke(app, ["plan", *wrong])
        assert isinstance(failed.exception, ConfigError)
