"""Facts of a catalogue, queries made of them and their grades."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from windowshop.training.generated.facts import named_values, read_facts, values_matrix
from windowshop.training.generated.inference import infer_from_images
from windowshop.training.generated.labels import FactLabels, add_generated
from windowshop.training.generated.queries import column_interest, generate_queries
from windowshop.training.judged_pairs import Pairs

COLOURS = ("red", "blue", "green")
KINDS = ("Shirts", "Shoes")


def catalogue(described: int = 60, sparse: int = 12) -> pl.DataFrame:
    """Products of all colours and kinds; the sparse ones say their kind alone."""
    rows = []
    for number in range(described + sparse):
        colour, kind = COLOURS[number % 3], KINDS[number // 3 % 2]
        known = number < described
        one = "Tee-Shirt" if kind == "Shirts" else "Shoe"
        rows.append(
            {
                "product_id": str(number),
                "group_id": str(number),
                "title": f"{colour.title() if known else ''} {one} {number}".strip(),
                "description": None,
                "brand": "Acme" if number % 2 else "Bolt",
                "category": f"Wear > {kind}",
                "attributes": json.dumps({"colour": colour, "sale": "yes"}) if known else None,
            }
        )
    return pl.DataFrame(rows)


def value_of(facts, name: str) -> int:
    return next(v for v, names in enumerate(facts.names) if names[0] == name)


@pytest.fixture
def facts():
    return read_facts(catalogue())


def test_facts_are_brand_levels_of_the_category_and_attributes(facts):
    own = {names[0] for names in facts.names}
    assert own == {"acme", "bolt", "wear", "shirts", "shoes", *COLOURS}  # "yes" names nothing
    red = facts.has_NV[:, value_of(facts, "red")].toarray().ravel()
    assert red.tolist() == [float(n < 60 and n % 3 == 0) for n in range(72)]
    assert not facts.known_NF[60:, facts.columns.index("colour")].any()


def test_a_word_that_titles_of_a_value_share_is_its_alias(facts):
    assert "shirt" in facts.names[value_of(facts, "shirts")]
    assert "red" not in facts.names[value_of(facts, "acme")]


def test_titles_fill_columns_that_are_empty():
    table = catalogue()
    titled = table.with_columns(
        title=pl.when(pl.col("product_id") == "60").then(pl.lit("Green thing")).otherwise("title")
    )
    facts = read_facts(titled)
    assert facts.has_NV[60, value_of(facts, "green")] == 1
    assert facts.has_NV[61, value_of(facts, "green")] == 0


def test_a_query_names_values_in_any_spelling(facts):
    found = named_values(facts, ["Red SHOE by acme", "a tee shirt", "nothing here"])
    names = [{facts.names[value][0] for value in named.values} for named in found]
    assert names == [{"red", "shoes", "acme"}, {"shirts"}, set()]
    assert found[0].rest == ["by"]
    assert found[2].rest == ["nothing", "here"]


def test_a_table_without_values_has_no_facts():
    table = catalogue(2, 0).with_columns(brand=None, category=None, attributes=None)
    facts = read_facts(table)
    assert facts.columns == ()
    made = generate_queries(facts, 5, [], np.random.default_rng(0))
    assert made.texts == ()


def test_generated_queries_differ_and_are_right_for_a_product(facts):
    made = generate_queries(facts, 30, [], np.random.default_rng(0))
    wanted = [tuple(row.indices) for row in made.wanted_GV]
    assert len(made.texts) == len(set(wanted)) == len(wanted)
    met, _ = facts.compare(made.wanted_GV, np.arange(72))
    assert (met.max(axis=1) == np.asarray(made.wanted_GV.sum(axis=1)).ravel()).all()
    for text, named in zip(made.texts, named_values(facts, made.texts), strict=True):
        assert named.values, text


def test_queries_of_the_shop_say_which_columns_are_named(facts):
    brand, colour = facts.columns.index("brand"), facts.columns.index("colour")
    by_titles = column_interest(facts, [])
    assert by_titles[colour] > by_titles[brand]  # titles name colours, never brands
    by_queries = column_interest(facts, ["acme shoes", "bolt shirts"] * 50)
    assert by_queries[brand] > by_queries[colour]


def labels_of(facts, highest: float = 3.0, lowest: float = 1.0) -> FactLabels:
    none = np.empty(0, dtype=bool)
    return FactLabels(facts, values_matrix([], len(facts.names)), 0, none, highest, lowest)


def test_grades_follow_what_is_known(facts):
    red, shoes = value_of(facts, "red"), value_of(facts, "shoes")
    wanted = values_matrix([[red, shoes]], len(facts.names))
    grade, unsure = (part[0] for part in labels_of(facts).grade(wanted, np.arange(72)))
    for number in range(72):
        colour, kind = COLOURS[number % 3], KINDS[number // 3 % 2]
        if number >= 60:
            assert unsure[number]
            assert grade[number] == 0
        elif kind == "Shoes":
            assert grade[number] == (3 if colour == "red" else 1)
            assert not unsure[number]
        else:
            assert grade[number] == 0
            assert not unsure[number]


def pairs_of(grades: dict[int, float], num_products: int = 72) -> Pairs:
    """One judged query with these products."""
    return Pairs(
        query=np.array([0]),
        start=np.array([0, len(grades)]),
        product=np.array(list(grades)),
        grade=np.array(list(grades.values()), dtype=np.float32),
        draw_weight=np.ones(len(grades)),
        group=np.arange(num_products),
    )


def test_generated_pairs_stand_behind_the_judged_ones(facts):
    made = generate_queries(facts, 20, [], np.random.default_rng(0))
    pairs = add_generated(pairs_of({3: 2.0}), facts, made, 7, ["red shoes"])
    assert pairs.labels is not None
    assert pairs.labels.num_judged == 1
    assert len(pairs) == 21
    assert pairs.query[1:].tolist() == list(range(7, 27))
    # The shop's highest grade is that of generated queries too.
    assert set(pairs.grade.tolist()) == {2.0, 1.0}
    batch = pairs.grades_between(np.arange(21), np.arange(72))
    for query in range(1, 21):
        own = slice(pairs.start[query], pairs.start[query + 1])
        drawn = dict(zip(pairs.product[own].tolist(), pairs.grade[own].tolist(), strict=True))
        assert {p: batch.grade_BC[query, p] for p in drawn} == drawn
    assert not (batch.ignore_BC & (batch.grade_BC > 0)).any()


def test_a_judged_query_gets_what_its_words_say_and_keeps_its_judgements(facts):
    made = generate_queries(facts, 4, [], np.random.default_rng(0))
    pairs = add_generated(pairs_of({9: 1.0}), facts, made, 1, ["red shoes"])
    batch = pairs.grades_between(np.array([0]), np.arange(72))
    assert batch.grade_BC[0, 9] == 1  # judged
    assert batch.grade_BC[0, 3] == 1  # a red shoe that nobody judged; one grade is all there is
    assert batch.ignore_BC[0, 60]
    assert batch.grade_BC[0, 60] == 0
    assert not batch.ignore_BC[0, 4:6].any()
    assert not batch.grade_BC[0, 4:6].any()


def test_a_query_that_names_one_value_is_masked_but_not_graded(facts):
    made = generate_queries(facts, 4, [], np.random.default_rng(0))
    pairs = add_generated(pairs_of({0: 1.0}), facts, made, 1, ["red"])
    batch = pairs.grades_between(np.array([0]), np.arange(72))
    assert batch.grade_BC[0, 3] == 0
    assert batch.ignore_BC[0, 3]


def test_a_query_with_words_left_is_masked_but_not_graded(facts):
    made = generate_queries(facts, 4, [], np.random.default_rng(0))
    pairs = add_generated(pairs_of({3: 1.0}), facts, made, 1, ["red shoes laces"])
    batch = pairs.grades_between(np.array([0]), np.arange(72))
    assert batch.grade_BC[0, 9] == 0
    assert batch.ignore_BC[0, 9]


def test_a_value_that_the_judged_products_lack_is_not_meant(facts):
    made = generate_queries(facts, 4, [], np.random.default_rng(0))
    # "red" is in the query, but what was judged best is blue.
    pairs = add_generated(pairs_of({4: 1.0}), facts, made, 1, ["red shoes"])
    assert pairs.labels is not None
    assert pairs.labels.wanted_QV[[0]].indices.tolist() == [value_of(facts, "shoes")]


def test_draws_hold_the_share_of_generated_queries(facts):
    made = generate_queries(facts, 20, [], np.random.default_rng(0))
    pairs = add_generated(pairs_of({3: 2.0}), facts, made, 7, ["red shoes"])
    for share, judged in ((0.5, 1), (1.0, 0)):
        drawn = pairs.draw_queries(10, share, np.random.default_rng(0))
        assert len(set(drawn.tolist())) == len(drawn) == 10
        assert (drawn < 1).sum() == judged


def rows_of(image_NH):
    """Features of products by row."""
    return lambda rows: image_NH[rows].astype(np.float32)


def test_images_show_what_nobody_wrote(facts):
    many = catalogue(300, 60)
    facts = read_facts(many)
    rng = np.random.default_rng(0)
    colour_N = np.arange(360) % 3
    image_NH = np.eye(3, dtype=np.float32)[colour_N] + 0.1 * rng.normal(size=(360, 3))
    has_image_N = np.ones(360, dtype=bool)
    has_image_N[300] = False
    category_N = np.arange(360) // 3 % 2
    seen = infer_from_images(facts, rows_of(image_NH), has_image_N, category_N, 0)
    right = [seen.has_NV[n, value_of(seen, COLOURS[n % 3])] == 1 for n in range(301, 360)]
    assert np.mean(right) > 0.8
    assert not seen.known_NF[300, seen.columns.index("colour")]
    assert (seen.has_NV[:300] != facts.has_NV[:300]).nnz == 0


def test_images_that_show_nothing_add_nothing(facts):
    many = catalogue(300, 60)
    facts = read_facts(many)
    image_NH = np.random.default_rng(0).normal(size=(360, 3)).astype(np.float32)
    category_N = np.arange(360) // 3 % 2
    seen = infer_from_images(facts, rows_of(image_NH), np.ones(360, dtype=bool), category_N, 0)
    assert (seen.has_NV != facts.has_NV).nnz == 0


def test_a_category_that_never_has_a_value_does_not_get_it():
    table = catalogue(300, 60)
    # Shoes never say a colour; those of the sparse ones that are shoes stay without.
    shoes = pl.col("category") == "Wear > Shoes"
    table = table.with_columns(
        attributes=pl.when(shoes).then(None).otherwise("attributes"),
        title=pl.when(shoes).then(pl.lit("Shoe")).otherwise("title"),
    )
    facts = read_facts(table)
    image_NH = np.eye(3, dtype=np.float32)[np.arange(360) % 3]
    category_N = np.arange(360) // 3 % 2
    seen = infer_from_images(facts, rows_of(image_NH), np.ones(360, dtype=bool), category_N, 0)
    known = seen.known_NF[:, seen.columns.index("colour")]
    assert not known[category_N == 1].any()
    assert known[300:][category_N[300:] == 0].any()


def test_aliases_do_not_depend_on_how_python_hashes_texts():
    code = (
        "import sys; sys.path.insert(0, 'tests/training/generated');"
        "from test_generated import catalogue;"
        "from windowshop.training.generated.facts import read_facts;"
        "import polars as pl;"
        "alike = pl.lit('zed yak xen wok vat') + pl.col('category');"
        "print(read_facts(catalogue().with_columns(title=alike)).names)"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2", "3")
    }
    assert len(told) == 1
