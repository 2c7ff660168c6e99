"""Queries and judgements in the forms that people have them in."""

import pytest

from windowshop.errors import DataError
from windowshop.service.bench.query_text import grouped, read_pairs

RED = {"p1": 3, "p2": 0}
GRADES = {"red shoe": RED, "blue shirt": {"p3": 2}}


def read(content):
    return grouped(read_pairs(content))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_is_read_by_the_names_of_its_columns(delimiter):
    rows = [
        ("grade", "Query", "note", "product_id"),
        ("3", "red shoe", "x", "p1"),
        ("0", "Red  shoe", "", "p2"),
        ("2.0", "blue shirt", "", "p3"),
    ]
    found = read("\ufeff" + "\r\n".join(delimiter.join(row) for row in rows))
    assert found.texts == ["red shoe", "blue shirt"]
    assert found.grades == GRADES


def test_trec_judgements_have_the_texts_of_their_queries_beside_them():
    found = read("q1 0 p1 3\nq1 0 p2 0\nq2 0 p3 2\nq1\tred shoe\nq2\tblue shirt\n")
    assert (found.texts, found.grades) == (["red shoe", "blue shirt"], GRADES)


def test_lines_are_queries_without_judgements():
    found = read("red shoe\n\n  blue shirt \nRED shoe\n")
    assert (found.texts, found.grades) == (["red shoe", "blue shirt"], {})
    assert read("query\nred, or blue\n").texts == ["red, or blue"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no query"),
        ("query,product_id\nred shoe,p1", "no column grade"),
        ("query,product_id,grade\nred shoe,p1", "Line 2 has 2 cells"),
        ("query,product_id,grade\nred shoe,p1,good", "Line 2: the grade 'good'"),
        ("query,product_id,grade\nred shoe,p1,-1", "Line 2: the grade '-1'"),
        ("query,product_id,grade\nred shoe,p1,1.5", "Line 2: the grade '1.5'"),
        ("q1 0 p1 3", "text of the query 'q1' is missing"),
        ("q1 0 p1 3\nsome words here", "Line 2 is neither"),
        ("x" * 200_000, "Line 1 has more than 100000 characters"),
        (f"query,product_id,grade\n{'x' * 200_000},p1,1", "Line 2 has more than"),
    ],
)
def test_what_cannot_be_read_is_named(content, said):
    with pytest.raises(DataError, match=said):
        read_pairs(content)
