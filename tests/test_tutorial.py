"""Every command of docs/tutorial.md, run in its order on a small export."""

import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from support.services import serving
from support.shops import image_bytes

from windowshop.data.dataset import read_dataset

PAGE = Path(__file__).parent.parent / "docs" / "tutorial.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
COLOURS, KINDS = ("blue", "red", "green", "black"), ("Shirt", "Mug", "Lamp")


def write_export(folder):
    """A table as a shop system would write it, with images beside it."""
    (folder / "images").mkdir()
    rows = []
    for n in range(48):
        colour, kind = COLOURS[n % 4], KINDS[n % 3]
        (folder / "images" / f"{n}.png").write_bytes(image_bytes(n, size=(40, 40)))
        rows.append(
            {
                "SKU": f"{n:05d}",
                "Name": f"{colour.title()} {kind} model {chr(65 + n % 26)}",
                "Brand": ("Acme", "Bolt")[n // 3 % 2],
                "Category": f"Shop > {kind}s",
                "Colour": colour,
                "Price": f"{10 + n},00 EUR",
                "Image": f"images/{n}.png",
            }
        )
    pl.DataFrame(rows).write_csv(folder / "export.csv", separator=";")


def shop_for_a_while():
    """Search and buy in the service of `index`."""
    with serving(Path("index")) as client:
        for text in ("blue shirt", "red mug", "lamp"):
            told = client.post("/search", json={"text": text}).json()
            first = told["results"][0]["product_id"]
            event = {"search_id": told["search_id"], "product_id": first, "position": 1}
            assert client.post("/feedback", json=event | {"event": "purchase"}).is_success


def test_every_command_runs(tmp_path, cli, quick_config, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_export(tmp_path)
    quick = {"train": ["--config", quick_config, "--cache", "cache"]}
    quick |= dict.fromkeys(("evaluate", "index"), ["--cache", "cache"])
    printed = {}
    for command in COMMANDS:
        _, name, *args = shlex.split(command)
        if name == "serve":
            shop_for_a_while()
            continue
        told = cli(name, *args, *quick.get(name, []))
        assert told.code == 0, f"{command}\n{told.err}"
        printed[command] = told.out
    assert "queries synthetic" in printed["windowshop evaluate model shop"]
    assert "are synthetic" in " ".join(printed["windowshop evaluate model shop"].split())
    shop = read_dataset("shop")
    assert len(shop.products) == 48
    assert shop.products["price"].to_list() == [10.0 + n for n in range(48)]
    learned = read_dataset("learned")
    assert set(learned.queries["query"]) == {"blue shirt", "red mug", "lamp"}
    assert learned.kinds == ("desirability",)


@pytest.mark.parametrize("name", ["import", "queries", "train", "evaluate", "serve", "judgements"])
def test_the_page_goes_all_the_way(name):
    assert any(command.startswith(f"windowshop {name} ") for command in COMMANDS)
