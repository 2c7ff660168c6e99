"""Every mistake is one clear message on stderr and an exit code, never a traceback."""

import json
import shutil

import pytest
from support.shops import PRODUCTS, QRELS, QUERIES, changed, image_bytes, without, write_shop


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def train(train_cli, quick_config, cache, tmp_path):
    """Trains on a shop with the given tables and files into `model`."""

    def run(tables=(), files=()):
        data = write_shop(tmp_path / "data", tables, files)
        return train_cli(tmp_path / "model", data=data, cache=cache, config=quick_config)

    return run


@pytest.fixture
def index(cli, cache, tmp_path):
    """Indexes what `train` made."""
    return lambda: cli(
        *("index", tmp_path / "model", tmp_path / "data"),
        *("--out", tmp_path / "index", "--cache", cache),
    )


@pytest.fixture(scope="module")
def sound(tmp_path_factory, cli, train_cli, quick_config):
    """A folder with a sound small shop as `data`, its `model`, its `index`, and `cache`."""
    folder = tmp_path_factory.mktemp("sound")
    data = write_shop(folder / "data")
    args = ["--out", folder / "index", "--cache", folder / "cache"]
    told = train_cli(folder / "model", data=data, cache=folder / "cache", config=quick_config)
    assert told.code == 0, told.err
    assert cli("index", folder / "model", data, *args).code == 0
    return folder


def refused(told, *parts):
    """Whether a command ended with one message that has all the parts in it."""
    lines = told.err.strip().split("\n")
    assert told.code == 1
    assert lines[-1].startswith("error: "), told.err
    assert told.err.count("error: ") == 1
    assert "Traceback" not in told.err
    for part in parts:
        assert str(part) in lines[-1]
    return True


@pytest.mark.parametrize("command", ["train", "evaluate", "index"])
@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "found nothing"), ("file", "found a file"), ("folder", "no products table")],
)
def test_no_data(cli, sound, cache, tmp_path, command, content, message):
    data = tmp_path / "data"
    if content == "file":
        data.write_text("x")
    elif content == "folder":
        data.mkdir()
    args = {
        "train": [data, "--out", tmp_path / "out"],
        "evaluate": [sound / "model", data],
        "index": [sound / "model", data, "--out", tmp_path / "out"],
    }
    told = cli(command, *args[command], "--cache", cache)
    assert refused(told, data, message, "products.parquet, .csv or .jsonl")
    assert not (tmp_path / "out").exists()


def test_check_of_an_empty_folder(cli, tmp_path):
    told = cli("check", tmp_path)
    assert told.code == 1
    assert "no-products" in told.out
    assert told.err == ""


def test_without_any_image_the_text_is_used(cli, train, index, tmp_path):
    told = train({"products": without(PRODUCTS, "image")})
    assert told.code == 0
    assert "No product has a usable image: the model reads text only." in told.err
    assert index().code == 0
    told = cli("search", tmp_path / "index", "red shoe")
    assert (told.code, "3 of 3 results among 3 products" in told.out) == (0, True)


def test_without_any_text_the_images_are_used(cli, train, index, tmp_path):
    products = [row | {"title": None} for row in PRODUCTS]
    told = train({"products": products})
    assert told.code == 0
    told = index()
    assert told.code == 0
    assert "1 products have neither text nor a usable image" in told.out
    told = cli("search", tmp_path / "index", "red shoe")
    assert (told.code, "2 of 2 results among 3 products" in told.out) == (0, True)


def test_products_of_nothing(train):
    told = train({"products": [{"product_id": "p1", "title": None, "image": "gone.png"}]})
    assert refused(told, "no product has text or a usable image", "windowshop check")


def test_without_judgements_only_the_first_stage_is_trained(cli, train, index, cache, tmp_path):
    told = train({"qrels": None})
    assert told.code == 0
    assert "No judged training queries: only the domain stage" in told.err
    assert "no dev queries" in told.out
    assert index().code == 0
    told = cli("evaluate", tmp_path / "model", tmp_path / "data", "--cache", cache)
    assert refused(told, "split 'test' has no judged query", "add qrels")


@pytest.mark.parametrize(
    "tables",
    [
        {"queries": None, "qrels": None},
        {"queries": [row | {"split": "test"} for row in QUERIES]},
        {"qrels": [{"query_id": "gone", "product_id": "p1", "grade": 1}]},
    ],
)
def test_zero_training_queries_are_told(train, tables):
    told = train(tables)
    assert told.code == 0
    assert "No judged training queries" in told.err


def test_zero_training_queries_and_no_images(train):
    tables = {"products": without(PRODUCTS, "image"), "queries": None, "qrels": None}
    assert refused(train(tables), "nothing to train from", "split=train")


def test_judgements_of_unknown_products_are_left_out(train):
    unknown = [{"query_id": "q1", "product_id": "gone", "grade": 1}]
    unknown += [{"query_id": "gone", "product_id": "p1", "grade": 1}]
    told = train({"qrels": QRELS + unknown})
    assert told.code == 0
    assert "2 of 5 qrels name an unknown query or product and were left out." in told.err


@pytest.mark.parametrize(
    ("table", "column"),
    [("products", "product_id"), ("queries", "query_id"), ("qrels", "product_id")],
)
def test_a_csv_without_a_column(cli, cache, tmp_path, table, column):
    rows = {"products": PRODUCTS, "queries": QUERIES, "qrels": QRELS}[table]
    data = write_shop(tmp_path / "data", {table: without(rows, column)}, suffix=".csv")
    told = cli("train", data, "--out", tmp_path / "model", "--cache", cache)
    assert refused(told, f"{table}.csv: column '{column}' is missing", "Add it or rename")


def test_a_text_file_named_jpg_is_counted_and_its_text_used(cli, train, index, tmp_path):
    products = changed(PRODUCTS, 1, image="fake.jpg")
    told = train({"products": products}, {"fake.jpg": b"this is no image"})
    assert told.code == 0
    note = (
        "Product images that cannot be used (not an image): 1. "
        "Products without another image are found by their text."
    )
    assert note in told.err
    told = index()
    assert told.code == 0
    assert note in told.out
    told = cli("search", tmp_path / "index", "red shoe")
    assert (told.code, "p1" in told.out) == (0, True)


def test_other_scripts_all_the_way(cli, train, index, tmp_path):
    title = "Größe 38 — 登山靴 «красный» 👟"
    told = train(
        {"products": changed(PRODUCTS, 1, title=title, image="фото 1.png")},
        {"фото 1.png": image_bytes()},
    )
    assert told.code == 0
    assert index().code == 0
    args = [tmp_path / "index", "登山靴 größe", "--where", "title contains '登山靴'"]
    told = cli("search", *args, "--json")
    assert told.code == 0
    (result,) = json.loads(told.out)["results"]
    assert result["title"] == title
    assert result["image"].endswith("фото 1.png")
    assert title in told.out
    told = cli("search", *args)
    assert (told.code, "登山靴" in told.out) == (0, True)


def test_one_product_is_trained_indexed_and_found(cli, train, index, tmp_path):
    tables = {"products": PRODUCTS[:1], "queries": QUERIES[:1], "qrels": QRELS[:1]}
    told = train(tables)
    assert told.code == 0
    assert "No judged dev queries" in told.err
    assert index().code == 0
    told = cli("search", tmp_path / "index", "red shoe")
    assert (told.code, "1 of 1 results among 1 products" in told.out) == (0, True)


def test_one_product_without_queries(train):
    tables = {"products": PRODUCTS[:1], "queries": None, "qrels": None}
    assert refused(train(tables), "fewer than two products with both text and an image")


@pytest.mark.parametrize("command", ["evaluate", "index"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "found nothing, need a model folder. Make one with `windowshop train`"),
        ({}, "found no manifest.json, need a model folder"),
        ({"manifest.json": "{"}, "cannot be read"),
        ({"manifest.json": "[]"}, "cannot be read"),
        ({"manifest.json": "{}"}, "found format None"),
        ({"manifest.json": '{"format": "windowshop-model/5"}'}, "is damaged"),
    ],
)
def test_no_model(cli, sound, tmp_path, command, content, message):
    folder = tmp_path / "model"
    if content is not None:
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text)
    out = ["--out", tmp_path / "out"] if command == "index" else []
    assert refused(cli(command, folder, sound / "data", *out), folder, message)


def test_a_model_with_damaged_weights(cli, sound, tmp_path):
    folder = shutil.copytree(sound / "model", tmp_path / "model")
    (folder / "towers.safetensors").write_bytes(b"damaged")
    told = cli("index", folder, sound / "data", "--out", tmp_path / "out")
    assert refused(told, "towers.safetensors", "Copy the model again")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("manifest.json", "Make one with `windowshop index`"),
        ("shop.db", "has no generation to search. Run `windowshop index`"),
        ("generations/g1/generation.json", "Make one with `windowshop index`"),
        ("generations/g1/model/export/query.onnx", "is missing"),
    ],
)
def test_an_index_without_one_of_its_files(cli, sound, tmp_path, file, message):
    folder = shutil.copytree(sound / "index", tmp_path / "index")
    (folder / file).unlink()
    assert refused(cli("search", folder, "red mug"), folder, message)


def test_no_index(cli, sound, tmp_path):
    told = cli("search", tmp_path / "index", "red mug")
    assert refused(told, "found nothing, need an index folder. Make one with `windowshop index`")
    assert refused(cli("search", sound / "model", "red mug"), "found format 'windowshop-model/5'")


def test_an_out_of_another_run_is_never_overwritten(cli, sound, quick_config, tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    args = ["--cache", sound / "cache"]
    for out in (tmp_path, tmp_path / "notes.txt"):
        told = cli("train", sound / "data", "--out", out, "--config", quick_config, *args)
        assert refused(told, out, "already exists", "Choose another --out")
        told = cli("index", sound / "model", sound / "data", "--out", out, *args)
        assert refused(told, out, "is no index of format", "Choose another --out")
    assert (tmp_path / "notes.txt").read_text() == "precious"


def test_an_index_never_replaces_a_model(cli, sound):
    model = sound / "model"
    before = sorted(path.name for path in model.iterdir())
    told = cli("index", model, sound / "data", "--out", model, "--cache", sound / "cache")
    assert refused(told, "is no index of format", "Choose another --out")
    assert sorted(path.name for path in model.iterdir()) == before


def test_a_damaged_index_is_replaced(cli, sound, tmp_path):
    out = shutil.copytree(sound / "index", tmp_path / "index")
    (out / "manifest.json").write_text("{")
    assert refused(cli("search", out, "red mug"), "run `windowshop index`")
    args = ["--out", out, "--cache", sound / "cache"]
    assert cli("index", sound / "model", sound / "data", *args).code == 0
    assert cli("search", out, "red mug").code == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["red", "--where", "price <"], "the filter ends here"),
        (["red", "--where", "prize < 20"], "Did you mean 'price'?"),
        (["red", "--where", "price < 'cheap'"], "price"),
        (["red", "-k", "0"], "k=0 must be between 1 and 10000"),
        (["red", "-k", "-3"], "k=-3 must be between 1 and 10000"),
        ([], "neither text nor an image"),
        (["  "], "neither text nor an image"),
        (["--image", "gone.jpg"], "gone.jpg: missing"),
        (["--image", __file__], "not an image"),
    ],
)
def test_a_search_that_cannot_be_answered(cli, indexed, args, message):
    told = cli("search", indexed, *args)
    assert told.code == 1
    assert told.err.startswith("error: ")
    assert message in told.err
    assert told.out == ""


def test_more_results_than_products(cli, indexed):
    told = cli("search", indexed, "red", "-k", 1000, "--json")
    assert len(json.loads(told.out)["results"]) == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead: 1", "'sead' is unknown; settings here: seed, "),
        ("model: {widht: 8}", "'widht' is unknown; settings here: width, "),
        ("seed: red", "need int, found 'red'"),
        ("seed: [", "cannot be read as YAML"),
        ("stages: []", "name at least one of domain, separate, fused"),
        (None, "No such file"),
    ],
)
def test_a_wrong_config(train_cli, tmp_path, text, message):
    file = tmp_path / "config.yaml"
    if text is not None:
        file.write_text(text)
    told = train_cli(tmp_path / "model", config=file)
    assert told.code == 1
    assert told.err.startswith("error: ")
    assert message in told.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--text-encoder", "minlm"], "text encoder 'minlm' cannot be loaded"),
        (["--image-encoder", "/no/such/folder"], "there is no such folder"),
    ],
)
def test_a_wrong_choice_in_training(train_cli, tmp_path, args, message):
    assert refused(train_cli(tmp_path / "model", *args), message)
    assert list(tmp_path.iterdir()) == []


def test_stages_of_a_preset_and_of_a_config_do_not_go_together(cli, sound, quick_config, tmp_path):
    args = ["--config", quick_config, "--preset", "lora"]
    told = cli("train", sound / "data", "--out", tmp_path / "model", *args)
    assert refused(told, f"--preset lora: {quick_config} names stages too. Leave out one of them.")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--split", "final"], "split 'final' has no judged query (judged queries: dev 1, "),
        (["--slice", "colour"], "slice colour: no such column; found "),
    ],
)
def test_a_wrong_choice_in_evaluation(cli, sound, args, message):
    told = cli("evaluate", sound / "model", sound / "data", "--cache", sound / "cache", *args)
    assert refused(told, message)


def test_figures_that_cannot_be_written(cli, sound, quick_config):
    file = quick_config / "figures.json"
    args = ["--cache", sound / "cache", "--json", file]
    told = cli("evaluate", sound / "model", sound / "data", *args)
    assert refused(told, file, "cannot be written")
