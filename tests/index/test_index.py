"""An index folder: built in generations, searched in both spaces."""

import json
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support.indexes import IMAGES, ids_of, opened, shop_rows
from support.killing import run_and_kill

from windowshop.data.dataset import read_dataset
from windowshop.data.filter_grammar import parse_filter
from windowshop.data.images import decode
from windowshop.errors import ConfigError, EngineError, IndexFolderError, SearchError
from windowshop.files import MODEL, read_manifest, write_manifest
from windowshop.index.build import IndexConfig
from windowshop.index.check import check_generations
from windowshop.index.database import Database
from windowshop.index.folder import current_generation, rollback
from windowshop.index.generations import Generations
from windowshop.index.open import open_index
from windowshop.model.checkpoint import Manifest, load_towers
from windowshop.model.query_encoder import open_query_encoder
from windowshop.progress import SilentReporter


@pytest.fixture
def index(colours_index, tmp_path):
    return shutil.copytree(colours_index, tmp_path / "index")


def layout(index):
    """Current and previous generation, and the folders there are."""
    generations = Generations(index)
    return generations.current, generations.previous, generations.names()


def test_a_build_makes_the_first_generation(colours_index, colours, colours_model):
    assert layout(colours_index) == ("g1", None, ["g1"])
    assert sorted(path.name for path in colours_index.iterdir()) == [
        *("build.lock", "generations", "manifest.json", "shop.db", "shop.mark")
    ]
    assert list(colours_index.parent.iterdir()) == [colours_index]
    assert json.loads((colours_index / "manifest.json").read_text()).keys() == {"format", "hash"}
    towers = (colours / "model" / "towers.safetensors").read_bytes()
    copy = colours_index / "generations" / "g1" / "model"
    assert (copy / "towers.safetensors").read_bytes() == towers
    assert not (colours / "model" / "export").exists()
    assert open_query_encoder(copy / "export", model_key=colours_model.manifest.run_key).width == 32
    with opened(colours_index) as index:
        manifest = index.manifest
    assert (manifest.num_products, manifest.width, manifest.image_width) == (12, 32, 16)
    assert manifest.model_key == colours_model.manifest.run_key
    assert manifest.broken_images == {"missing": 1}
    assert manifest.unsearchable == 1
    assert manifest.data_root == str(colours / "data")


def test_both_spaces_hold_the_models_vectors(index, colours, colours_model):
    """Scores are the cosines of what the towers give, computed here one by one."""
    products = read_dataset(colours / "data").products
    expected = colours_model.encode_products(products, colours / "data").vectors
    asked = {"text": ("blue shoe", None), "both": ("blue shoe", IMAGES["6.png"])}
    with opened(index) as shop:
        for text, image in [*asked.values(), (None, IMAGES["6.png"])]:
            query = shop.encode_queries([text], [image])
            assert np.allclose(query, colours_model.encode_queries([text], [image]), atol=0.05)
            scores = dict(zip(products["product_id"], expected @ query[0], strict=True))
            hits = shop.collection.search(query, 20)[0]
            assert sorted(ids_of(hits)) == sorted(scores.keys() - {"p5"})
            assert [hit.score for hit in hits] == pytest.approx(
                sorted((scores[hit.product_id] for hit in hits), reverse=True), abs=2e-3
            )
        query = shop.encode_images([IMAGES["6.png"], IMAGES["extra.png"]])
        assert (query.shape, query.dtype) == ((2, 16), np.float32)
        found = shop.collection.search(query, 20, name="photo")
        alone = {f"p{i}": IMAGES[f"{i}.png"] for i in (0, 1, 6, 7, 8, 9, 10, 11)}
        assert set(ids_of(found[0])) == alone.keys() | {"p4"}  # the others have no usable image
        scores = {hit.product_id: hit.score for hit in found[0]}
        for name, content in alone.items():
            # the towers' own way from a product's image to its vector, without fusion or cache
            row = pl.DataFrame({"product_id": [name], "title": [None]}).cast(pl.String)
            with_image = colours_model.encode_rows(row, [[decode(content)]]).image[0]
            assert scores[name] == pytest.approx(float(query[0] @ with_image), abs=2e-3)


def test_rows_encoded_online_are_those_of_a_build(colours, colours_model):
    """Several images, one twice, none, broken: the same vectors by both ways."""
    rows = [*shop_rows(), shop_rows()[4] | {"product_id": "twice", "images": '["4.png", "4.png"]'}]
    products = pl.DataFrame(rows).cast({"title": pl.String})
    root = colours / "data"
    source = colours_model.read_products(products, root, colours / "cache", SilentReporter())
    built = colours_model.encode_for_index(source, np.arange(len(rows)))
    named = [[row["image"], *json.loads(row["images"] or "[]")] for row in rows]
    kept = [[x for x in dict.fromkeys(names) if IMAGES.get(x)] for names in named]
    online = colours_model.encode_rows(products, [[decode(IMAGES[x]) for x in x] for x in kept])
    assert np.allclose(online.fused, built.fused, atol=2e-3)
    assert np.allclose(online.image, built.image, atol=2e-3)
    assert np.allclose(np.linalg.norm(built.image, axis=1), [bool(names) for names in kept])
    assert np.ptp(built.image, axis=0).max() > 0.01


def test_rows_come_back_as_they_were_given_with_attribute_columns(index, colours):
    products = read_dataset(colours / "data").products
    ids = products["product_id"].to_list()
    with opened(index) as shop:
        assert shop.collection.products(ids).select(products.columns).equals(products)
        assert shop.collection.products(["p1", "p2"])["colour"].to_list() == ["blue", "green"]
        assert shop.collection.products(["p1", "p2"])["size"].to_list() == [["S", "M"], ["S"]]
        where = parse_filter("colour = 'red'")
        assert shop.collection.count(where) == 4
        (best, *_), *_ = shop.collection.search(shop.encode_queries(["shoe"], [None]), 1, where)
        assert best.product_id in {"p0", "p3", "p6", "p9"}


def test_building_again_adds_a_generation_and_keeps_one(index, build_colours):
    with opened(index) as served:  # searched and written meanwhile
        served.upsert(pl.DataFrame({"product_id": ["online"], "title": ["a hat"]}))
        build_colours(index, "later")
        assert layout(index) == ("g2", "g1", ["g1", "g2"])
        assert "online" in served.collection
        with opened(index) as shop:
            assert (shop.generation, shop.collection.count()) == ("g2", 13)
            assert "online" not in shop.collection  # the data is what counts
        build_colours(index)
        assert layout(index) == ("g3", "g2", ["g1", "g2", "g3"])  # g1 is still open
    build_colours(index)
    assert layout(index) == ("g4", "g3", ["g3", "g4"])
    with opened(index, "g3") as shop:
        assert shop.collection.count() == 12
    with pytest.raises(IndexFolderError, match="g9: found nothing, need a generation"):
        open_index(index, "g9")


def test_generations_share_what_their_models_have_in_common(index, build_colours):
    build_colours(index, "later")
    one, other = (index / "generations" / name / "model" for name in ("g1", "g2"))
    for file in ("towers.safetensors", "encoders/text/model.safetensors", "export/query.onnx"):
        assert (one / file).samefile(other / file), file
    build_colours(index)  # g1 goes
    assert layout(index)[2] == ["g2", "g3"]
    assert not [check.damage for check in check_generations(index) if check.damage]
    assert rollback(index) == "g2"
    with opened(index) as shop:
        assert len(shop.collection.search(shop.encode_queries(["red shoe"], [None]), 5)[0]) == 5


def test_rollback_goes_back_and_forth(cli, index, build_colours):
    with pytest.raises(EngineError, match="no generation to go back to"):
        rollback(index)
    build_colours(index, "later")
    told = cli("revert-index", index)
    assert (told.code, told.out) == (0, f"{index}: generation g1 is current\n")
    assert current_generation(index) == "g1"
    with opened(index) as shop:
        assert shop.collection.count() == 13  # the products are those of the index
    assert rollback(index) == "g2"
    build_colours(index)
    assert layout(index) == ("g3", "g2", ["g2", "g3"])
    told = cli("revert-index", index.parent)
    assert told.code == 1
    assert "need an index folder" in told.err


MOMENTS = [
    ("windowshop.index.build.shutil.copytree", 1, "nothing of the generation is there"),
    ("windowshop.index.build.write_snapshot", 1, "it is filled"),
    ("windowshop.index.build.write_manifest", 1, "its manifest is missing"),
    ("windowshop.index.merge.Staging.merge", 1, "it is whole and not current"),
    ("windowshop.index.merge.choose", 1, "products are merged and not committed"),
]


@pytest.mark.parametrize(("call", "number", "moment"), MOMENTS)
def test_a_killed_build_leaves_the_index_as_it_was(
    index, colours, build_colours, tmp_path, call, number, moment
):
    cache = tmp_path / "cache" if "store" in call else colours / "cache"
    args = ["index", colours / "model", colours / "later", "--out", index, "--engine", "exact"]
    assert run_and_kill([*args, "--cache", cache], call, number), moment
    assert layout(index)[:2] == ("g1", None)
    with opened(index) as shop:
        assert shop.collection.count() == 12
        assert shop.encode_queries(["red shoe"], [None]).shape == (1, 32)
    build_colours(index, "later")
    assert layout(index) == ("g2", "g1", ["g1", "g2"])
    with opened(index) as shop:
        assert shop.collection.count() == 13


def test_a_killed_first_build_leaves_nothing_that_looks_whole(colours, build_colours, tmp_path):
    out = tmp_path / "index"
    args = [
        "index",
        colours / "model",
        colours / "data",
        "--out",
        out,
        "--cache",
        colours / "cache",
    ]
    assert run_and_kill(args, "windowshop.index.build.write_manifest", 1)
    assert {path.name for path in out.iterdir()} == {".partial", "build.lock"}
    build_colours(out)
    assert list(tmp_path.iterdir()) == [out]
    assert layout(out) == ("g1", None, ["g1"])


def test_one_build_at_a_time(index, build_colours, monkeypatch):
    messages = []

    def meanwhile(*args):
        with pytest.raises(IndexFolderError, match="another process is building it") as caught:
            build_colours(index)
        messages.append(str(caught.value))

    monkeypatch.setattr("windowshop.index.build.attribute_columns", lambda table: meanwhile() or ())
    build_colours(index)
    assert len(messages) == 1
    assert layout(index) == ("g2", "g1", ["g1", "g2"])


def test_an_index_of_another_format_is_refused(index, build_colours):
    (index / "manifest.json").write_text('{"format": "windowshop-index/1"}')
    with pytest.raises(IndexFolderError, match=r"/1', this.*Make another folder with `windowshop"):
        open_index(index)
    with pytest.raises(IndexFolderError, match="is no index of format windowshop-index/4. Choose"):
        build_colours(index)


def test_damage_is_told_and_mended_by_a_build(index, build_colours):
    (index / "manifest.json").write_text("{")
    with pytest.raises(IndexFolderError, match=r"manifest\.json: cannot be read"):
        open_index(index)
    build_colours(index)
    assert layout(index) == ("g2", "g1", ["g1", "g2"])
    (index / "generations" / "g2" / "generation.json").unlink()
    with pytest.raises(IndexFolderError, match=r"found no generation\.json"):
        open_index(index)
    with closing(Database(index)) as database, database.writing() as connection:
        connection.execute("DELETE FROM generations")
    with pytest.raises(IndexFolderError, match="has no generation to search"):
        open_index(index)


def test_vectors_of_another_model_are_not_searched(index):
    folder = index / "generations" / "g1" / "model"
    manifest = replace(read_manifest(Manifest, folder, MODEL), run_key="another")
    write_manifest(folder, manifest, MODEL)
    with opened(index) as shop, pytest.raises(IndexFolderError, match="not of the model in it"):
        _ = shop.model


@pytest.mark.parametrize("engine", ["auto", "zvec"])
def test_every_engine_can_be_chosen(build_colours, tmp_path, engine):
    build_colours(tmp_path / "index", engine=engine)
    with opened(tmp_path / "index") as shop:
        assert shop.collection.spec.kind == {"auto": "flat"}.get(engine, engine)
        assert set(shop.collection.spec.vectors) == {"fused", "photo"}
        assert shop.collection.search(shop.encode_images([IMAGES["6.png"]]), 1, name="photo")[0]


def test_vectors_can_be_kept_shorter_and_in_any_form(build_colours, colours_model, tmp_path):
    shortest, full = min(colours_model.towers.widths), colours_model.width
    assert shortest < full
    build_colours(tmp_path / "index", engine="zvec", storage="float32", width=shortest)
    with opened(tmp_path / "index") as shop:
        spec = shop.collection.spec
        assert (spec.kind, spec.vectors["fused"].width) == ("zvec", shortest)
        assert {vector.storage for vector in spec.vectors.values()} == {"float32"}
        query_1P = shop.encode_queries(["red"], [None])
        assert query_1P.shape == (1, full)
        assert len(shop.collection.search(query_1P, 3)[0]) == 3
    with pytest.raises(ConfigError, match=f"Choose one of: {shortest}"):
        build_colours(tmp_path / "other", width=full - 1)
    with pytest.raises(ConfigError, match="cannot be stored as fp16"):
        build_colours(tmp_path / "other", engine="flat", storage="fp16")
    assert not (tmp_path / "other" / "manifest.json").exists()


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="chunk_rows=0 must be at least 1"):
        IndexConfig(chunk_rows=0)


def test_text_is_searched_without_torch(colours_index, tmp_path):
    copy = shutil.copytree(colours_index, tmp_path / "index")
    code = (
        "import sys\n"
        "from windowshop.index import open_index\n"
        "index = open_index(sys.argv[1])\n"
        "query = index.encode_queries(['red'], [None])\n"
        "print(len(index.collection.search(query, 5)[0]), index.collection.count())\n"
        "index.delete(['p1'])\n"
        "index.close()\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("5 12\n[]\n", "")


def test_a_query_needs_text_or_a_usable_image(index):
    with opened(index) as shop:
        for texts, images in (([None], [None]), (["  "], [None]), (["a", ""], [None, None])):
            with pytest.raises(SearchError, match="neither text nor an image"):
                shop.encode_queries(texts, images)
        with pytest.raises(SearchError, match="not an image"):
            shop.encode_images([b"text"])
        assert shop.encode_images([]).shape == (0, 16)


def test_a_model_that_sees_no_image_has_one_space(colours, colours_model, build_colours, tmp_path):
    towers = load_towers(colours / "model", "text_only")
    blind = replace(colours_model, towers=towers)
    manifest = build_colours(tmp_path / "index", model=blind)
    assert (manifest.width, manifest.image_width) == (16, None)
    with opened(tmp_path / "index") as shop:
        assert list(shop.collection.spec.vectors) == ["fused"]
        with pytest.raises(SearchError, match="looks at no product image"):
            shop.encode_images([IMAGES["6.png"]])
