"""`windowshop judge` against an endpoint on this machine: right, wrong, cut off, gone on with."""

import json
import re

import orjson
import polars as pl
import pytest
from support.endpoints import completion, played
from support.shops import write_shop

from windowshop.data import read_dataset
from windowshop.errors import ConfigError, DataError
from windowshop.evaluation.evaluator import judged_split
from windowshop.evaluation.judge import endpoint
from windowshop.evaluation.judge.agreement import agreement
from windowshop.evaluation.judge.ask import first_pairs, parse_grades
from windowshop.evaluation.judge.grades import GRADES_FILE, open_grades, read_grades
from windowshop.evaluation.judge.rubric import Rubric, rubric_for
from windowshop.index.build import IndexConfig, build_index

KEY = "sk-not-for-any-file"
NUM_QUERIES, NUM_PRODUCTS = 12, 12
GRADE = re.compile(r"Product (\d+):\nproduct (\d+)")


def grade_of(query, product):
    """Grade by people: what a query's number and a product's make."""
    return (query + product) % 4


@pytest.fixture
def judged_shop(tmp_path):
    products = [
        {"product_id": f"p{i}", "title": f"product {i}", "price": 1.0} for i in range(NUM_PRODUCTS)
    ]
    queries = [
        {"query_id": f"q{i}", "query": f"number {i}", "split": "test"} for i in range(NUM_QUERIES)
    ]
    qrels = [
        {"query_id": f"q{q}", "product_id": f"p{p}", "grade": grade_of(q, p)}
        for q in range(NUM_QUERIES)
        for p in range(0, NUM_PRODUCTS, 2)
    ]
    return write_shop(tmp_path / "data", {"products": products, "queries": queries, "qrels": qrels})


def asked_of(body):
    """The query's number, and product numbers by their place in a request."""
    text = body["messages"][1]["content"]
    query = int(re.search(r"Query: number (\d+)", text)[1])
    return query, {place: int(number) for place, number in GRADE.findall(text)}


def right(body, place=0):
    query, products = asked_of(body)
    return 200, completion(json.dumps({n: grade_of(query, p) for n, p in products.items()})), {}


def lenient(body, place=0):
    """People's grade and one more, 3 at most."""
    query, products = asked_of(body)
    grades = {n: min(3, grade_of(query, p) + 1) for n, p in products.items()}
    return 200, completion(f"Sure: {json.dumps(grades)}."), {}


def judge(cli, folder, url, *options):
    return cli("judge", folder, "--endpoint", url, "--model", "small", *options)


def test_pairs_of_people_are_graded_apart_and_compared(judged_shop, cli, monkeypatch):
    monkeypatch.setenv(endpoint.KEY_VARIABLE, KEY)
    before = (
        (judged_shop / "qrels.jsonl").read_bytes()
        if (judged_shop / "qrels.jsonl").exists()
        else None
    )
    with played(right) as (url, seen):
        told = judge(cli, judged_shop, url)
    assert told.code == 0, told.err
    assert f"{judged_shop / GRADES_FILE}: {NUM_QUERIES * 6} graded" in told.out
    assert "Grades of small, not of people. On 72 pairs of 12 queries that both graded" in told.out
    assert "weighted kappa is 1.00 [1.00, 1.00]" in told.out
    assert len(seen) == NUM_QUERIES
    system = seen[0][2]["messages"][0]["content"]
    assert "0: not what was asked for\n1: all but one thing" in system
    found = read_grades(judged_shop / GRADES_FILE)
    assert found.model == "small"
    assert all(g.grade == grade_of(int(q[1:]), int(p[1:])) for (q, p), g in found.grades.items())
    for path in judged_shop.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()
    data = read_dataset(judged_shop)
    assert before is None or (judged_shop / "qrels.jsonl").read_bytes() == before
    assert set(data.qrels["kind"]) == {"relevance"}
    assert len(data.qrels) == sum(
        grade_of(q, p) > 0 for q in range(NUM_QUERIES) for p in range(0, NUM_PRODUCTS, 2)
    )
    assert cli("check", judged_shop).code == 0


def test_what_is_graded_is_not_asked_again(judged_shop, cli):
    with played(right) as (url, seen):
        assert judge(cli, judged_shop, url, "--limit", 30).code == 0
        first = len(seen)
        told = judge(cli, judged_shop, url)
        assert "42 graded, 30 from before" in told.out
        assert len(seen) == first + NUM_QUERIES - 5
        grades = read_grades(judged_shop / GRADES_FILE).grades
        assert len(grades) == 72
        assert judge(cli, judged_shop, url).out.splitlines()[0].endswith("0 graded, 72 from before")
        path = judged_shop / "products.jsonl"
        if not path.exists():
            (path,) = judged_shop.glob("products.*")
        path.write_text(path.read_text().replace("product 0", "product 00"))
        assert (
            "12 graded, 60 from before" in judge(cli, judged_shop, url).out
        )  # other texts are asked again


def test_a_run_that_was_cut_off_goes_on(judged_shop, cli, monkeypatch):
    monkeypatch.setattr(endpoint, "FIRST_WAIT_S", 0)

    def fails_later(body, place):
        return right(body) if place < 3 else (500, b"", {})

    with played(fails_later) as (url, _):
        told = judge(cli, judged_shop, url)
    assert told.code == 1
    assert "status 500" in told.err
    path = judged_shop / GRADES_FILE
    assert len(read_grades(path).grades) == 18
    with path.open("ab") as stream:
        stream.write(b'{"query_id": "q9", "prod')  # a kill while a line was written
    assert len(read_grades(path).grades) == 18
    with played(right) as (url, _):
        assert "54 graded, 18 from before" in judge(cli, judged_shop, url).out
    lines = path.read_bytes().splitlines()
    assert len(lines) == 73
    assert all(isinstance(orjson.loads(line), dict) for line in lines)


WRONG = {
    "no JSON": "I like them all.",
    "broken JSON": '{"1": 3,',
    "an id that was not asked": '{"1": 3, "2": 0, "3": 0, "4": 0, "5": 0, "6": 0, "7": 3}',
    "one that is missing": '{"1": 3}',
    "ids of its own": '{"p0": 1, "p2": 1, "p4": 1, "p6": 1, "p8": 1, "p10": 1}',
    "off the scale": '{"1": 4, "2": 0, "3": 0, "4": 0, "5": 0, "6": 0}',
    "below the scale": '{"1": -1, "2": 0, "3": 0, "4": 0, "5": 0, "6": 0}',
    "a fraction": '{"1": 1.5, "2": 0, "3": 0, "4": 0, "5": 0, "6": 0}',
    "a truth value": '{"1": true, "2": 0, "3": 0, "4": 0, "5": 0, "6": 0}',
    "words": '{"1": "3", "2": 0, "3": 0, "4": 0, "5": 0, "6": 0}',
    "a list": "[3, 0, 0, 0, 0, 0]",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_an_answer_that_is_no_grades_is_asked_again_then_refused(judged_shop, cli, text):
    """One query is answered wrongly always, one only at first; the others are right."""
    wrong = {"always": 3, "at first": 4}
    times = {}

    def reply(body, place):
        query, _ = asked_of(body)
        times[query] = times.get(query, 0) + 1
        if query == wrong["always"] or (query == wrong["at first"] and times[query] == 1):
            return 200, completion(text), {}
        return right(body)

    with played(reply) as (url, _):
        told = judge(cli, judged_shop, url)
    assert told.code == 0, told.err
    assert "66 graded, 6 without a usable answer" in told.out
    assert (times[3], times[4], times[5]) == (3, 2, 1)
    assert "q3" not in {query for query, _ in read_grades(judged_shop / GRADES_FILE).grades}


def test_a_model_that_never_grades_is_given_up(judged_shop, cli):
    with played(lambda body, place: (200, completion("no"), {})) as (url, seen):
        told = judge(cli, judged_shop, url)
    assert told.code == 1
    assert "5 answers in a row are no grades" in told.err
    assert len(seen) == 15


@pytest.mark.parametrize(("text", "grades"), [('{"1": 0, "2": 3}', [0, 3]), ("{}", None)])
def test_grades_are_read_of_one_object(text, grades):
    assert parse_grades(text, 2, 3) == grades
    assert parse_grades(f"```json\n{text}\n```", 2, 3) == grades


def test_grades_of_two_models_are_not_mixed(judged_shop, cli):
    with played(right) as (url, _):
        judge(cli, judged_shop, url, "--limit", 6)
        told = cli("judge", judged_shop, "--endpoint", url, "--model", "other")
        assert told.code == 1
        assert "has grades of small by its rubric, not of other" in told.err
        rubric = judged_shop / "rubric.txt"
        rubric.write_text("no\nhardly\nnearly\nyes\n")
        assert "not of small by this one" in judge(cli, judged_shop, url, "--rubric", rubric).err
        out = judged_shop / "by_rubric.jsonl"
        assert judge(cli, judged_shop, url, "--rubric", rubric, "--out", out).code == 0
    assert read_grades(out).rubric.levels == ("no", "hardly", "nearly", "yes")


def test_a_rubric_has_the_grades_of_people(judged_shop):
    (judged_shop / "short.txt").write_text("no\nyes\n")
    with pytest.raises(ConfigError, match="grades go to 1, and those of people in .* to 3"):
        rubric_for(read_dataset(judged_shop), judged_shop / "short.txt")


def test_calibrated_grades_are_a_label_set_with_their_agreement(judged_shop, cli):
    """A lenient model's grades stand beside people's, in their scale; no other figure changes."""
    with played(lenient) as (url, _):
        pairs = judged_shop / "pairs.csv"
        rows = [f"q{q},p{p}" for q in range(NUM_QUERIES) for p in range(NUM_PRODUCTS)]
        pairs.write_text("query_id,product_id\n" + "\n".join(rows) + "\n")
        told = judge(cli, judged_shop, url, "--pairs", pairs)
    assert f"{NUM_QUERIES * NUM_PRODUCTS} graded" in told.out
    data = read_dataset(judged_shop)
    grades = read_grades(judged_shop / GRADES_FILE)
    agreed = agreement(data, grades)
    assert agreed.num_pairs == 72
    assert 0.4 < agreed.kappa.mean < 0.9
    assert agreed.calibration.means[1] == 0
    assert agreed.calibration.means[2] == 1
    assert agreed.error == pytest.approx(0.75)
    assert agreed.error_calibrated < agreed.error
    plain, with_grades = judged_split(data, "test", []), judged_split(data, "test", [], grades)
    assert list(plain.slices) == ["all"]
    assert list(with_grades.slices) == ["all", "labels=relevance", "labels=endpoint"]
    assert (
        with_grades.slices["all"] == plain.slices["all"] == with_grades.slices["labels=relevance"]
    )
    graded = with_grades.slices["labels=endpoint"].qrels
    assert graded["q0"]["p1"] == grade_of(0, 1) == 1  # judged by no person, and 2 by the model
    run = {q: {"p1": 2.0, "p2": 1.0} for q in plain.slices["all"].qrels}
    found = with_grades.evaluation({"fused": run}, origin={})
    assert found.labels == {"relevance": 2, "endpoint": 2}
    assert found.notes[-1] == f"labels=endpoint: {agreed.sentence()}"
    assert found.to_json()["endpoint_grades"]["num_pairs"] == 72
    assert (
        found.tables["fused"]["all"]
        == plain.evaluation({"fused": run}, origin={}).tables["fused"]["all"]
    )


def test_agreement_with_nobody_is_not_known(judged_shop, cli):
    with played(right) as (url, _):
        pairs = judged_shop / "pairs.csv"
        pairs.write_text("query_id,product_id\nq0,p1\nq1,p3\n")
        told = judge(cli, judged_shop, url, "--pairs", pairs)
    assert "how far they agree is not known (0 pairs that both graded)" in told.out


def test_unknown_ids_of_pairs_are_named(judged_shop, cli):
    with played(right) as (url, seen):
        (judged_shop / "pairs.csv").write_text("query_id,product_id\nq0,nothing\n")
        told = judge(cli, judged_shop, url, "--pairs", judged_shop / "pairs.csv")
    assert told.code == 1
    assert "has no 'nothing', which a pair names" in told.err
    assert seen == []


@pytest.mark.parametrize("content", [b"", b"{}\n", b"no\n", b'{"format": "other"}\n'])
def test_a_file_of_another_kind_is_named(tmp_path, content):
    (tmp_path / "grades.jsonl").write_bytes(content)
    with pytest.raises(DataError, match="is no file of windowshop-endpoint-grades-1"):
        read_grades(tmp_path / "grades.jsonl")


@pytest.mark.parametrize("content", [b'{"mine": 1}', b"query,grade\nred,1", b"\n"])
def test_a_file_of_another_kind_is_left_as_it_is(tmp_path, content):
    (tmp_path / "mine").write_bytes(content)
    rubric = Rubric(("no", "yes"))
    with (
        pytest.raises(DataError, match="is no file of"),
        open_grades(tmp_path / "mine", "m", rubric),
    ):
        pass
    assert (tmp_path / "mine").read_bytes() == content


def test_a_head_that_was_cut_off_is_written_again(tmp_path):
    path, rubric = tmp_path / "grades.jsonl", Rubric(("no", "yes"))
    with open_grades(path, "m", rubric) as file:
        file.add([])
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    with open_grades(path, "m", rubric) as file:
        assert file.kept.grades == {}
    assert path.read_bytes() == whole


def test_a_limit_takes_whole_queries_in_a_fixed_order():
    pairs = pl.DataFrame({"query_id": [f"q{i // 3}" for i in range(30)], "product_id": "p"})
    found = first_pairs(pairs, 9)["query_id"].to_list()
    assert len(set(found)) == 3
    assert found == first_pairs(pairs, 9)["query_id"].to_list()
    assert set(found) != {"q0", "q1", "q2"}


def test_an_index_is_graded_by_its_first_results(colours_model, judged_shop, tmp_path, cli):
    data = read_dataset(judged_shop)
    build_index(
        colours_model,
        data,
        tmp_path / "index",
        tmp_path / "cache",
        config=IndexConfig(engine="exact"),
    )
    with played(right) as (url, seen):
        told = judge(cli, judged_shop, url, "--index", tmp_path / "index", "--top", 2)
        assert told.code == 0, told.err
        assert f"{2 * NUM_QUERIES} graded" in told.out
        (judged_shop / "pairs.csv").write_text("query_id,product_id\nq0,p1\n")
        both = ("--index", tmp_path / "index", "--pairs", judged_shop / "pairs.csv")
        assert "name different pairs" in judge(cli, judged_shop, url, *both).err
    assert len(seen) == NUM_QUERIES
