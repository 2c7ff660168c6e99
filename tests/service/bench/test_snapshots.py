"""Snapshots over HTTP: what a later run changed against one, by query and in the mean."""

import pytest
from support.browsing import judged_table
from support.services import problem, wait_until

WEIGHT = "text.channels.words.weight"


def run(client, set_id, *sides):
    told = client.post("/workbench/run", json={"set": set_id, "sides": list(sides) or [{}]})
    assert told.status_code == 200, told.text
    wait_until(lambda: client.get("/workbench/run").json()["run"]["state"] != "running")
    return client.get("/workbench/run").json()["run"]["figures"]


def keep(client, name, side=0):
    return client.put("/workbench/snapshots", json={"name": name, "side": side})


@pytest.fixture
def judged(bench):
    """A client whose service has a set of ten judged queries."""
    bench.put("/workbench/sets", json={"name": "ten", "content": judged_table(10)})
    return bench


def test_a_later_run_is_compared_with_what_was_kept(judged):
    before = run(judged, "own:ten")
    assert keep(judged, "monday").status_code == 200
    (head,) = judged.get("/workbench/snapshots").json()["snapshots"]
    assert (head["name"], head["set"]) == ("monday", "own:ten")
    assert head["means"] == before["sides"][0]
    saved = judged.put("/workbench/settings", json={"changes": {WEIGHT: 0}})
    assert saved.status_code == 200, saved.text
    after = run(judged, "own:ten", {"snapshot": "monday"}, {})
    assert after["sides"][0] == before["sides"][0]
    assert after["difference"]["ndcg@10"]["mean"] == pytest.approx(
        after["sides"][1]["ndcg@10"]["mean"] - before["sides"][0]["ndcg@10"]["mean"]
    )
    assert after["difference"]["ndcg@10"]["losses"] > 0
    for then, now in zip(before["queries"], after["queries"], strict=True):
        assert now["sides"][0] == then["sides"][0]


def test_the_results_of_a_snapshot_are_those_that_were_found(judged):
    run(judged, "own:ten", {}, {"changes": {WEIGHT: 0.9}})
    keep(judged, "heavy", side=1)
    text = judged_table(10).splitlines()[1].split(",")[0]
    asked = {"text": text, "side": {"changes": {WEIGHT: 0.9}}, "limit": 5, "explain": True}
    found = judged.post("/workbench/search", json=asked).json()["answer"]
    asked["side"] = {"snapshot": "heavy"}
    kept = judged.post("/workbench/search", json=asked).json()["answer"]
    names = ("product_id", "rank", "title", "brand", "price", "photo_url", "fields")
    for one, other in zip(kept["results"], found["results"], strict=True):
        assert {name: one[name] for name in names} == {name: other[name] for name in names}
    first = kept["results"][0]["product_id"]
    judged.request("DELETE", "/products", json={"product_ids": [first]})
    gone = judged.post("/workbench/search", json=asked).json()["answer"]["results"][0]
    assert (gone["product_id"], gone["title"]) == (first, f"{first} (deleted since)")


def test_only_the_queries_of_both_are_compared(judged):
    run(judged, "own:ten")
    keep(judged, "ten")
    judged.put("/workbench/sets", json={"name": "ten", "content": judged_table(4) + "\nnew,p1,3"})
    figures = run(judged, "own:ten", {"snapshot": "ten"}, {})
    assert len(figures["queries"]) == 4
    judged.put("/workbench/sets", json={"name": "other", "content": "something else"})
    asked = {"set": "own:other", "sides": [{"snapshot": "ten"}, {}]}
    problem(judged.post("/workbench/run", json=asked), 409, "no_query")


def test_what_is_not_there_is_told(judged):
    problem(keep(judged, "early"), 409, "no_run")
    run(judged, "own:ten")
    problem(keep(judged, "second", side=1), 409, "no_run")
    asked = {"set": "own:ten", "sides": [{"snapshot": "gone"}, {}]}
    problem(judged.post("/workbench/run", json=asked), 404, "unknown_snapshot")
    assert keep(judged, "here").status_code == 200
    assert judged.delete("/workbench/snapshots", params={"name": "here"}).status_code == 200
    problem(judged.delete("/workbench/snapshots", params={"name": "here"}), 404, "unknown_snapshot")
