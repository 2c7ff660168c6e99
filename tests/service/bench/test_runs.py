"""Sets of queries and their runs over HTTP: figures, progress, one at a time, behind searches."""

import asyncio
import shutil
import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from support.browsing import judged_table
from support.services import SECRETS, problem, serving, wait_until, write_keys

from windowshop.data import read_dataset
from windowshop.evaluation import (
    GRADES_FILE,
    compare,
    mean_estimate,
    one_seed,
    open_grades,
    rubric_for,
    score_queries,
)
from windowshop.evaluation.judge.grades import Grade
from windowshop.search import SearchRequest
from windowshop.service.bench import bench as parts
from windowshop.service.bench import kept_files
from windowshop.service.bench.runs import MOST_SLOW, Runs
from windowshop.service.http.api_keys import load_keys
from windowshop.service.http.bench_requests import RunBody, SideBody
from windowshop.service.http.executor import Executor

WORDS = {"changes": {"text.channels.words.weight": 0.9}}


def run(client, set_id, *sides):
    """The run of a set, once it has ended."""
    told = client.post("/workbench/run", json={"set": set_id, "sides": list(sides) or [{}]})
    assert told.status_code == 200, told.text
    wait_until(lambda: client.get("/workbench/run").json()["run"]["state"] != "running")
    return client.get("/workbench/run").json()["run"]


def add(client, content, name="own"):
    told = client.put("/workbench/sets", json={"name": name, "content": content})
    assert told.status_code == 200, told.text
    return told.json()["id"]


def found(client, text, **options):
    body = {"text": text, "limit": 100, "log": False, **options}
    return [hit["product_id"] for hit in client.post("/search", json=body).json()["results"]]


def test_figures_are_those_of_the_searches_that_are_served(bench):
    set_id = add(bench, judged_table(12))
    told = run(bench, set_id)
    assert told["state"] == "done"
    rows = [line.split(",") for line in judged_table(12).splitlines()[1:]]
    qrels = {}
    for text, product_id, grade in rows:
        qrels.setdefault(text, {})[product_id] = int(grade)
    ranked = {text: found(bench, text) for text in qrels}
    runs = {text: {name: -i for i, name in enumerate(ids)} for text, ids in ranked.items()}
    scores = score_queries(qrels, runs, threshold=2)
    figures = told["figures"]
    for measure in ("ndcg@10", "recall@100"):
        mean = mean_estimate(one_seed(scores[measure]))
        shown = figures["sides"][0][measure]
        assert (shown["mean"], shown["n"]) == (pytest.approx(mean.mean), 12)
        assert (shown["low"], shown["high"]) == pytest.approx((mean.low, mean.high))
    for row in figures["queries"]:
        text, (side,) = row["text"], row["sides"]
        assert side["ndcg@10"] == pytest.approx(scores["ndcg@10"][text])
        first = ranked[text][:10]
        assert side["judged@10"] == sum(name in qrels[text] for name in first) / len(first)
        assert side["num_found"] == len(ranked[text])
    assert figures["difference"] is None


def test_relevant_products_that_the_shop_lacks_are_counted(bench):
    table = judged_table(3)
    assert run(bench, add(bench, table))["figures"]["num_gone"] == 0
    query = table.splitlines()[1].partition(",")[0]
    more = f"{table.rstrip()}\n{query},sold out,3\n{query},unwanted,0\n"
    assert run(bench, add(bench, more))["figures"]["num_gone"] == 1


def test_a_changed_side_is_compared_by_query(bench):
    set_id = add(bench, judged_table(20))
    figures = run(bench, set_id, {}, WORDS)["figures"]
    values = [
        {row["text"]: row["sides"][side]["ndcg@10"] for row in figures["queries"]}
        for side in (0, 1)
    ]
    expected = compare(one_seed(values[1]), one_seed(values[0]))
    shown = figures["difference"]["ndcg@10"]
    assert shown["mean"] == pytest.approx(expected.difference.mean)
    assert shown["mean"] != 0
    counts = (shown["wins"], shown["ties"], shown["losses"])
    assert counts == (expected.wins, expected.ties, expected.losses)
    again = run(bench, set_id, {"rules": False}, {"changes": {"bm25.b": 0.9, "bm25.k1": 2.0}})
    assert again["figures"]["difference"]["ndcg@10"]["mean"] != shown["mean"]


def test_a_write_of_another_process_counts_in_the_next_run(bench):
    set_id, runs = add(bench, "nike red shoe"), bench.app.state.service.bench.runs
    run(bench, set_id)
    first = runs.latest.rankings[0]["nike red shoe"][:3]
    with bench.app.state.service.pool.lease() as searcher:  # beside the service's own writes
        searcher.index.delete(first)
    run(bench, set_id)
    assert set(first).isdisjoint(runs.latest.rankings[0]["nike red shoe"])


def test_a_grade_that_is_given_after_a_run_counts_in_it(bench):
    set_id = add(bench, "nike red shoe\nblue shirt")
    before = run(bench, set_id)["figures"]
    assert (before["num_judged"], before["sides"][0]["ndcg@10"]) == (0, None)
    first = found(bench, "nike red shoe")[0]
    grade = {"query": "Nike  red shoe", "product_id": first, "grade": 3, "judge": "ann"}
    assert bench.post("/judgements", json=grade).status_code == 200
    after = bench.get("/workbench/run").json()["run"]["figures"]
    assert after["sides"][0]["ndcg@10"]["mean"] == 1.0
    assert after["queries"][0]["sides"][0]["judged@10"] == 0.1
    heads = {head["id"]: head for head in bench.get("/workbench/sets").json()["sets"]}
    assert heads["judged"]["num_queries"] == heads["own:own"]["num_judged"] == 1
    asked = {"text": "nike red shoe", "set": set_id, "side": WORDS, "limit": 3}
    shown = bench.post("/workbench/search", json=asked).json()
    assert shown["grades"] == {first: 3}
    assert len(shown["answer"]["results"]) == 3


def test_judges_of_the_same_pairs_are_compared(bench):
    grades = {"ann": (3, 2, 0, 1), "bob": (3, 1, 0, 1), "": (1,)}
    for judge, given in grades.items():
        for i, grade in enumerate(given):
            body = {"query": f"red shoe {i % 2}", "product_id": f"p{i}", "judge": judge}
            assert bench.post("/judgements", json=body | {"grade": grade}).status_code == 200
    first, *others = bench.get("/workbench/agreement").json()["agreements"]
    assert (first["judges"], first["num_pairs"], first["num_queries"]) == (["ann", "bob"], 4, 2)
    assert first["exact"] == 0.75
    assert first["kappa"] == pytest.approx(1 - 1 / 10)  # 1 apart, where chance is 10
    assert first["low"] <= first["kappa"] <= first["high"]
    assert [row["judges"] for row in others] == [["", "ann"], ["", "bob"]]
    assert others[0]["kappa"] is None


def test_sets_of_the_log_are_what_was_asked_and_what_found_nothing(bench):
    for text, where in (("red shoe", None), ("blue shirt", None), ("RED  shoe", None), ("x", "1")):
        body = {"text": text, "where": where and "price < 0"}
        assert bench.post("/search", json=body).status_code == 200
    nothing = {"text": "green", "mode": "words", "picks": {"brand": {"values": ["none"]}}}
    assert bench.post("/search", json=nothing).json()["total"] == 0

    def heads():
        return {head["id"]: head for head in bench.get("/workbench/sets").json()["sets"]}

    wait_until(lambda: {"frequent", "empty"} <= set(heads()))
    figures = run(bench, "frequent")["figures"]
    assert [(row["text"].lower(), row["count"]) for row in figures["queries"]] == [
        ("red  shoe", 2),
        ("blue shirt", 1),
    ]
    empty = run(bench, "empty")["figures"]["queries"]
    assert [row["text"] for row in empty] == ["green"]


def test_the_judged_split_of_a_data_folder_is_a_set(page_index, tmp_path):
    data = page_index.parent / "data"
    index = shutil.copytree(page_index, tmp_path / "index")
    with serving(index, judged=data, judged_split="dev") as client:
        told = run(client, "data")["figures"]
    dataset = read_dataset(data)
    texts = dataset.split("dev")["query"].to_list()
    assert [row["text"] for row in told["queries"]] == texts
    assert told["num_judged"] == len(texts)


def test_a_judged_folder_that_cannot_be_read_hides_no_other_set(page_index, tmp_path):
    index = shutil.copytree(page_index, tmp_path / "index")
    data = shutil.copytree(page_index.parent / "data", tmp_path / "data")
    next(data.glob("qrels.*")).write_text("no table")
    with serving(index, judged=data, judged_split="dev") as client:
        add(client, "red shoe")
        told = client.get("/workbench/sets").json()
        assert "own:own" in [head["id"] for head in told["sets"]]
        (said,) = told["problems"]
        assert said.startswith("data/qrels.")
        assert str(tmp_path) not in said
        problem(client.post("/workbench/run", json={"set": "data"}), 503, "bad_data")


def test_figures_by_a_language_model_say_how_far_it_agrees_with_people(page_index, tmp_path):
    index = shutil.copytree(page_index, tmp_path / "index")
    data = shutil.copytree(page_index.parent / "data", tmp_path / "data")
    dataset = read_dataset(data)
    people = dataset.qrels_of(dataset.split("dev")).filter(kind="relevance")
    with open_grades(data / GRADES_FILE, "small-judge", rubric_for(dataset)) as file:
        for query_id, product_id, grade in people.select(
            "query_id", "product_id", "grade"
        ).iter_rows():
            file.add([Grade(query_id, product_id, grade, "")])
        file.add([Grade(people["query_id"][0], "p77", 0, "")])
    with serving(index, judged=data, judged_split="dev") as client:
        heads = {head["id"]: head for head in client.get("/workbench/sets").json()["sets"]}
        assert heads["endpoint"]["title"] == "data, dev, by small-judge"
        by_people, by_model = run(client, "data"), run(client, "endpoint")
        assert by_people["rests_on"] == ""
        assert by_model["rests_on"].startswith("Grades of small-judge, not of people")
        assert f"{len(people)} pairs" in by_model["rests_on"]
        texts = {row["text"] for row in by_people["figures"]["queries"]}
        assert {row["text"] for row in by_model["figures"]["queries"]} <= texts
        asked = {"text": next(iter(texts)), "set": "endpoint"}
        assert client.post("/workbench/search", json=asked).json()["grades"]
        (data / GRADES_FILE).write_text("no grades")
    with serving(index, judged=data, judged_split="dev") as client:
        told = client.get("/workbench/sets").json()
        assert "data" in [head["id"] for head in told["sets"]]
        assert "endpoint_grades.jsonl: is no file of" in told["problems"][0]


def test_what_has_not_changed_is_neither_read_nor_computed_again(bench, monkeypatch):
    service = bench.app.state.service.bench
    set_id = add(bench, judged_table(8))
    run(bench, set_id)
    read, computed = [], []

    def counting(own, log):
        return lambda *args: log.append(args) or own(*args)

    for module, name, log in ((kept_files, "read_sealed", read), (parts, "figures_of", computed)):
        monkeypatch.setattr(module, name, counting(getattr(module, name), log))
    monkeypatch.setattr(service.judgements, "pairs", lambda: read.append("all grades") or [])
    before = bench.get("/workbench/run").json()["run"]["figures"]
    asked = {"text": judged_table(1).splitlines()[1].split(",")[0], "set": set_id, "limit": 3}
    for _ in range(3):
        assert len(bench.get("/workbench/sets").json()["sets"]) == 1
        assert bench.get("/workbench/run").json()["run"]["figures"] == before
        assert bench.post("/workbench/search", json=asked).json()["grades"]
    assert len(read) <= 1  # the list's own look at the set's file
    assert computed == []
    monkeypatch.undo()
    first = found(bench, asked["text"])[0]
    grade = {"query": asked["text"], "product_id": first, "grade": 0, "judge": "ann"}
    assert bench.post("/judgements", json=grade).status_code == 200
    assert bench.post("/workbench/search", json=asked).json()["grades"][first] == 0
    assert bench.get("/workbench/run").json()["run"]["figures"] != before


def test_a_changed_side_is_made_while_others_are_searched(bench, monkeypatch):
    sides = bench.app.state.service.bench.sides
    begun, gate = threading.Event(), threading.Event()
    other, slow = SideBody(**WORDS), SideBody(changes={"bm25.b": 0.9})
    sides.prepare(other)

    def following(self, files):
        begun.set()
        assert gate.wait(10)
        return self

    with monkeypatch.context() as patched:
        patched.setattr("windowshop.search.searcher.Searcher.following", following)
        making = threading.Thread(target=sides.prepare, args=(slow,))
        making.start()
        assert begun.wait(10)
        with sides.lease(other) as searcher:
            assert searcher.answer(SearchRequest(text="red shoe")).total
        assert making.is_alive()
        gate.set()
        making.join()


def test_sets_are_kept_deleted_and_told_when_damaged(bench):
    assert add(bench, "red shoe", "Größe 2") == "own:Größe 2"
    (file,) = bench.app.state.service.pool.folder.glob("workbench/sets/*.json")
    file.write_text(file.read_text().replace("red", "bad"))
    asked = {"set": "own:Größe 2"}
    problem(bench.post("/workbench/run", json=asked), 503, "damaged")
    add(bench, "blue shoe", "whole")
    told = bench.get("/workbench/sets").json()
    assert [head["id"] for head in told["sets"]] == ["own:whole"]
    (said,) = told["problems"]
    assert said.startswith(f"A set is damaged: workbench/sets/{file.name} in the index folder.")
    gone = {"name": "Größe 2"}
    assert bench.delete("/workbench/sets", params=gone).status_code == 200
    problem(bench.delete("/workbench/sets", params=gone), 404, "unknown_set")
    problem(bench.post("/workbench/run", json=asked), 404, "unknown_set")


@pytest.mark.parametrize(
    ("side", "status", "said"),
    [
        ({"changes": {"text.depth": 3}}, 422, "cannot be changed here"),
        ({"changes": {"text.points": -1}}, 422, "must not be negative"),
        ({"changes": {"text.method": "best"}}, 422, "need one of"),
        ({"changes": {"text.points": "much"}}, 422, "need float"),
        ({"generation": "g9"}, 404, "not loaded"),
        ({"setting": 1}, 422, "setting"),
    ],
)
def test_a_side_that_cannot_be_is_refused_at_once(bench, side, status, said):
    set_id = add(bench, "red shoe")
    told = bench.post("/workbench/run", json={"set": set_id, "sides": [side]})
    assert told.status_code == status, told.text
    assert said in told.json()["error"]["message"]
    assert bench.get("/workbench/run").json()["run"] is None


def test_the_workbench_is_for_keys_that_may_write(page_index, tmp_path):
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    index = shutil.copytree(page_index, tmp_path / "index")
    with serving(index, keys) as client:
        for method, path in (
            ("GET", "sets"),
            ("PUT", "sets"),
            ("DELETE", "sets"),
            ("GET", "run"),
            ("POST", "run"),
            ("DELETE", "run"),
            ("GET", "settings"),
            ("POST", "search"),
        ):
            client.headers["X-API-Key"] = SECRETS["front"]
            problem(client.request(method, f"/workbench/{path}", json={}), 403, "wrong_scope")
        client.headers["X-API-Key"] = SECRETS["feed"]
        assert client.get("/workbench/sets").status_code == 200


class Texts:
    def __init__(self, *texts):
        self.texts = texts


def test_a_query_that_is_always_too_slow_is_asked_a_few_times():
    class Slow(Ready):
        def lease(self, side):
            asked.append(side)
            time.sleep(0.2)
            return super().lease(side)

    async def scenario():
        searching = Executor("search", 1, 4, 0.05)
        runs = Runs(searching, 1, Slow(), lambda name: {})
        progress = runs.start(RunBody(set="x"), Texts("one"))
        end = time.monotonic() + 10
        while progress.state == "running":
            await asyncio.sleep(0.01)
            assert time.monotonic() < end
        assert (progress.state, progress.num_refused, len(asked)) == ("done", 1, 1 + MOST_SLOW)

    asked = []  # once to make it ready
    asyncio.run(scenario())


def test_a_run_is_alone_waits_behind_searches_and_ends_when_cancelled():
    async def scenario():
        searching = Executor("search", 1, 4, 10.0)
        runs = Runs(searching, 1, Ready(), lambda name: {})
        gate = threading.Event()
        shopper = asyncio.ensure_future(searching.run(lambda: gate.wait(10)))
        await asyncio.sleep(0.05)
        progress = runs.start(RunBody(set="x"), Texts("one", "two"))
        with pytest.raises(Exception, match="A run is under way"):
            runs.start(RunBody(set="x"), Texts("one"))
        await asyncio.sleep(0.3)
        assert (progress.num_done, searching.num_pending) == (0, 1)  # it does not even queue
        gate.set()
        assert await shopper
        end = time.monotonic() + 10
        while progress.state == "running":
            await asyncio.sleep(0.01)
            assert time.monotonic() < end
        assert progress.rankings == ({"one": ["p1"], "two": ["p1"]},)
        waiting = asyncio.ensure_future(searching.run(lambda: time.sleep(0.5)))
        again = runs.start(RunBody(set="x", sides=[{"rules": False}]), Texts("one"))
        await asyncio.sleep(0.05)
        await runs.cancel()
        assert (again.state, again.num_done) == ("cancelled", 0)
        runs.start(RunBody(set="x"), Texts("one"))
        await waiting
        await runs.cancel()

    asyncio.run(scenario())


class Ready:
    """Sides that find one product at once."""

    def lease(self, side):
        results = [SimpleNamespace(product_id="p1")]
        return nullcontext(SimpleNamespace(answer=lambda request: SimpleNamespace(results=results)))

    def state(self, side):
        return (side.model_dump_json(),)
