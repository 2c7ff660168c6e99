"""Queries made for a shop that has none: marked, graded, split, not taken for asked ones."""

import json

import numpy as np
import polars as pl
import pytest
from support.endpoints import completion, played

from windowshop.config import TrainConfig
from windowshop.data.check import check_dataset
from windowshop.data.dataset import held_out_notes, read_dataset
from windowshop.errors import ConfigError, DataError
from windowshop.evaluation.judge import endpoint as client
from windowshop.progress import SILENT
from windowshop.training.generated.endpoint import EndpointConfig
from windowshop.training.generated.facts import (
    TITLE_COLUMN,
    named_values,
    read_facts,
    values_matrix,
)
from windowshop.training.generated.queries import generate_queries
from windowshop.training.generated.shop_queries import (
    ShopQueriesConfig,
    make_shop_queries,
    write_shop_queries,
)
from windowshop.training.schedule import scheduled

ROOMS = {"Sofas": "leather sofa", "Lamps": "floor lamp", "Tables": "oak table"}


def furniture(count: int = 60) -> pl.DataFrame:
    """Products that have a title, a brand and a category, and no attributes."""
    kinds = list(ROOMS.items())
    rows = []
    for number in range(count):
        room, phrase = kinds[number % 3]
        colour = ("dark brown", "bright white")[number // 3 % 2]
        rows.append(
            {
                "product_id": f"p{number}",
                "group_id": f"p{number}",
                "title": f"Model{number} {phrase.title()}, {colour} for the home",
                "description": None,
                "brand": ("Acme", "Bolt")[number % 2],
                "category": f"Home > {room}",
                "attributes": None,
            }
        )
    return pl.DataFrame(rows, schema_overrides={"description": pl.String, "attributes": pl.String})


def shop_of(folder, table):
    folder.mkdir()
    table.write_parquet(folder / "products.parquet")
    return folder


@pytest.fixture
def shop(tmp_path):
    return shop_of(tmp_path / "shop", furniture())


def test_titles_give_phrases_where_nothing_else_is_stated():
    facts = read_facts(furniture())
    phrases = {
        names[0]
        for names, column in zip(facts.names, facts.column_V, strict=True)
        if facts.columns[column] == TITLE_COLUMN
    }
    assert {"leather sofa", "oak table", "dark brown", "floor lamp"} <= phrases
    assert not {"for the", "home", "the home", "sofa dark"} & phrases  # small, everywhere, cut
    assert not any("model" in name for name in phrases)


def test_attributes_are_enough_where_they_are_stated():
    stated = furniture().with_columns(
        attributes=pl.Series(
            [
                json.dumps({"legs": ("three", "four")[n % 2], "mood": ("calm", "loud")[n % 2]})
                for n in range(60)
            ]
        )
    )
    assert TITLE_COLUMN not in read_facts(stated).columns


def test_attributes_of_every_type_are_read_and_numbers_are_not_asked_for():
    stated = {"mood": "calm", "width_cm": 40.5, "sizes": [36, 37.5], "foldable": True, "tags": []}
    odd = stated | {"mood": None, "sizes": ["one size"], "nested": {"a": 1}}
    attributes = [json.dumps((stated, odd)[n % 2]) for n in range(60)]
    facts = read_facts(furniture().with_columns(attributes=pl.Series(attributes)))
    names = {name for names in facts.names for name in names}
    assert "calm" in names
    assert not any(char.isdigit() for name in names for char in name)


def test_a_phrase_is_lacked_only_by_what_shares_no_word_and_no_category():
    table = furniture()
    other = table.row(0, named=True) | {"product_id": "x", "group_id": "x", "title": "Comfy couch"}
    wallet = other | {
        "product_id": "y",
        "group_id": "y",
        "title": "Leather wallet",
        "category": "Bags",
    }
    spoon = wallet | {"product_id": "z", "group_id": "z", "title": "Silver spoon"}
    facts = read_facts(
        pl.concat([table, pl.DataFrame([other, wallet, spoon], schema=table.schema)])
    )
    (named,) = named_values(facts, ["leather sofa"])
    wanted = values_matrix([named.values], len(facts.names))
    met, lacked = facts.compare(wanted, np.array([0, 1, 60, 61, 62]))
    assert met[0].tolist() == [1, 0, 0, 0, 0]
    assert lacked[0].tolist() == [0, 1, 0, 0, 1]  # a lamp and a spoon; a couch and leather may be


def test_queries_name_title_phrases_and_are_right_for_some_product():
    made = make_shop_queries(furniture(), ShopQueriesConfig())
    assert any("sofa" in text for text in made.queries["query"])
    best = made.qrels.filter(grade=3)
    assert set(best["query_id"]) == set(made.queries["query_id"])
    sofas = made.queries.filter(query="leather sofa").join(best, "query_id")
    if len(sofas):
        assert set(sofas["product_id"]) <= {f"p{n}" for n in range(0, 60, 3)}


def test_the_folder_can_be_read_checked_and_says_what_it_is(shop):
    made = write_shop_queries(shop, None, ShopQueriesConfig())
    dataset = read_dataset(shop)
    assert len(dataset.queries) == len(made.queries) > 50
    assert dataset.queries["synthetic"].all()
    assert set(dataset.queries["source"]) == {"catalogue"}
    assert set(dataset.queries["split"]) == {"train", "dev"}
    assert dataset.kinds == ("relevance",)
    assert dataset.queries["query"].n_unique() == len(dataset.queries)
    assert not [f for f in check_dataset(shop, reporter=SILENT).findings if f.severity == "error"]
    (note,) = held_out_notes(dataset, "dev")
    assert "are synthetic" in note
    write_shop_queries(shop, None, ShopQueriesConfig(seed=1))  # synthetic ones are replaced
    assert read_dataset(shop).queries["query"].to_list() != dataset.queries["query"].to_list()


def test_test_queries_only_when_asked_and_equal_for_equal_seeds():
    asked = make_shop_queries(furniture(), ShopQueriesConfig(with_test=True, count=100))
    shares = asked.queries["split"].value_counts(normalize=True)
    assert dict(shares.iter_rows()) == pytest.approx(
        {"train": 0.7, "dev": 0.1, "test": 0.2}, abs=0.05
    )
    again = make_shop_queries(furniture(), ShopQueriesConfig(with_test=True, count=100))
    assert again.queries.equals(asked.queries)
    assert again.qrels.equals(asked.qrels)


def test_queries_of_the_shop_are_never_replaced(shop, tmp_path):
    pl.DataFrame({"query_id": ["q"], "query": ["sofa"]}).write_csv(shop / "queries.csv")
    with pytest.raises(DataError, match="has queries or judgements already"):
        write_shop_queries(shop, None, ShopQueriesConfig())
    out = tmp_path / "out"
    write_shop_queries(shop, out, ShopQueriesConfig())
    assert len(read_dataset(out).products) == 60
    assert "q" not in set(read_dataset(out).queries["query_id"])
    with pytest.raises(DataError, match="is not empty"):
        write_shop_queries(shop, out, ShopQueriesConfig())


def test_synthetic_queries_do_not_count_as_judged_and_are_not_generated_again(shop):
    write_shop_queries(shop, None, ShopQueriesConfig(count=2_000))
    dataset = read_dataset(shop)
    assert dataset.asked().queries.is_empty()
    config = scheduled(TrainConfig(schedule="auto"), dataset, SILENT)
    assert config.generated_queries > 0
    facts = read_facts(dataset.products)
    held_out = dataset.queries.filter(split="dev")["query"].to_list()
    kept = {tuple(sorted(named.values)) for named in named_values(facts, held_out)}
    made = generate_queries(facts, 500, [], np.random.default_rng(5), held_out)
    assert not kept & {tuple(sorted(row.indices.tolist())) for row in made.wanted_GV}


@pytest.mark.parametrize("name", ["asked.txt", "asked.csv", "asked.jsonl"])
def test_suggestions_that_name_values_are_graded(tmp_path, name):
    texts = ["oak table", "acme floor lamp", "oak table", "unheard of thing"]
    path = tmp_path / name
    if name == "asked.txt":
        path.write_text("\n".join([*texts, ""]))
    elif name == "asked.csv":
        pl.DataFrame({"Search_Term": texts, "count": [4, 3, 2, 1]}).write_csv(path)
    else:
        pl.DataFrame({"query": texts}).write_ndjson(path)
    made = make_shop_queries(furniture(), ShopQueriesConfig(suggestions=path, count=5))
    own = made.queries.filter(source="suggestions")
    assert own["query"].to_list() == ["oak table", "acme floor lamp"]
    assert made.unused["suggestions"] == 1
    assert made.queries["synthetic"].all()


def test_a_file_without_texts_is_named(tmp_path):
    path = tmp_path / "asked.csv"
    path.write_text("number\n3\n")
    with pytest.raises(DataError, match="no column of texts"):
        make_shop_queries(furniture(), ShopQueriesConfig(suggestions=path))


def test_a_catalogue_that_states_nothing_is_named():
    bare = furniture(2).with_columns(brand=pl.lit(None), category=pl.lit(None))
    with pytest.raises(DataError, match="no queries can be made"):
        make_shop_queries(bare, ShopQueriesConfig())
    with pytest.raises(ConfigError, match="must not be negative"):
        ShopQueriesConfig(count=-1)


@pytest.fixture
def endpoint(request, monkeypatch):
    """An OpenAI-compatible server on this machine that gives one answer."""
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0)
    content = request.param
    with played(lambda asked, place: (200 if content else 503, content, {})) as found:
        yield found


@pytest.mark.parametrize(
    "endpoint", [completion('Sure: ["comfy couch", "couch for two"]')], indirect=True
)
def test_an_endpoint_is_asked_where_one_is_named(endpoint, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    url, seen = endpoint
    config = EndpointConfig(url=url, model="small", products=2)
    made = make_shop_queries(furniture(), ShopQueriesConfig(endpoint=config, count=5))
    assert len(seen) == 2
    path, key, body = seen[0]
    assert (path, key, body["model"]) == ("/v1/chat/completions", "Bearer secret", "small")
    assert "title: Model" in body["messages"][0]["content"]
    own = made.queries.filter(source="endpoint")
    assert set(own["query"]) == {"comfy couch", "couch for two"}
    grades = made.qrels.join(own, "query_id")
    assert set(grades["grade"]) == {3}
    assert grades["product_id"].n_unique() == 1  # equal texts of two products count once


@pytest.mark.parametrize("endpoint", [b"", b"{}", completion("[1,]")], indirect=True)
def test_an_endpoint_that_answers_otherwise_is_named(endpoint):
    config = EndpointConfig(url=endpoint[0], model="small", products=1)
    with pytest.raises(DataError, match=endpoint[0]):
        make_shop_queries(furniture(), ShopQueriesConfig(endpoint=config, count=5))


@pytest.mark.parametrize(
    "wrong", [{"url": "ftp://x", "model": "m"}, {"url": "https://x", "model": ""}]
)
def test_an_endpoint_needs_an_address_and_a_model(wrong):
    with pytest.raises(ConfigError, match="--endpoint"):
        EndpointConfig(**wrong)


def test_the_command_says_what_it_made(shop, cli):
    told = cli("queries", shop, "--with-test")
    assert told.code == 0, told.err
    assert f"{shop}: synthetic queries: " in told.out
    assert " test, " in told.out
    assert cli("queries", shop, "--endpoint", "x", "--endpoint-model", "m").code == 1
