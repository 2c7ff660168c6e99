import io
import json

import pytest
from rich.console import Console

from windowshop.cli.demo import demo
from windowshop.config import ModelConfig, StageConfig, TrainConfig
from windowshop.demo.catalogue import DemoConfig
from windowshop.demo.run import run_demo
from windowshop.progress import TerminalReporter

pytestmark = pytest.mark.slow

SHOP = DemoConfig(num_products=100, image_side=48)
RECIPE = TrainConfig(
    image_encoder="efficientnet-lite0",
    model=ModelConfig(width=32, matryoshka=(16,), hidden=32),
    stages=(StageConfig(name="separate", steps=2), StageConfig(name="fused", steps=2)),
)


def test_the_first_run_tells_how_to_open_the_page_and_a_second_run_keeps_the_model(tmp_path):
    console = Console(file=io.StringIO(), width=100)
    run_demo(tmp_path / "demo", SHOP, RECIPE, TerminalReporter(console), console)
    told = console.file.getvalue()
    assert told.count(" results among ") == 3
    *_, command, address = told.splitlines()
    assert command.endswith(f"windowshop serve {tmp_path / 'demo' / 'index'}")
    assert address == "and open http://127.0.0.1:8000/"
    figures = json.loads((tmp_path / "demo" / "evaluation.json").read_text())
    assert {"fused", "text_only", "image_only", "bm25"} == set(figures["systems"])
    model = tmp_path / "demo" / "model" / "towers.safetensors"
    trained = model.stat().st_mtime_ns
    run_demo(tmp_path / "demo", SHOP, RECIPE, TerminalReporter(console), console)
    assert model.stat().st_mtime_ns == trained
    assert "nothing to do" in console.file.getvalue()


def test_the_page_is_served_at_the_end_where_that_is_asked(tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr("windowshop.demo.run_demo", lambda folder, *_: steps.append(folder))
    monkeypatch.setattr("windowshop.cli.demo.serve", steps.append)
    demo(tmp_path)
    demo(tmp_path, open_page=True)
    assert steps == [tmp_path, tmp_path, str(tmp_path / "index")]
