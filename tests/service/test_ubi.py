"""The log of an index as UBI, read back by the reader of UBI logs."""

import json
import shutil

import pytest
from support.services import serving

from windowshop.data import JudgementConfig, read_dataset, write_judgements
from windowshop.errors import DataError
from windowshop.service import write_ubi


@pytest.fixture
def served(colours_index, tmp_path):
    """An index that was searched and clicked."""
    index = shutil.copytree(colours_index, tmp_path / "index")
    with serving(index) as client:
        for text in ("red shoe", "blue shoe", "green shoe"):
            found = client.post("/search", json={"text": text}).json()
            product = found["results"][0]["product_id"]
            event = {"search_id": found["search_id"], "product_id": product, "event": "click"}
            assert client.post("/feedback", json=event | {"position": 1}).is_success
    return index


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_queries_and_events_are_those_of_ubi(served, tmp_path):
    counts = write_ubi(served, tmp_path / "ubi", "shop")
    queries = lines(tmp_path / "ubi/ubi_queries.ndjson")
    events = lines(tmp_path / "ubi/ubi_events.ndjson")
    assert counts == {"queries": 3, "events": len(events)}
    assert [query["user_query"] for query in queries] == ["red shoe", "blue shoe", "green shoe"]
    hits = {query["query_id"]: query["query_response_hit_ids"] for query in queries}
    seen = [event for event in events if event["action_name"] == "impression"]
    assert len(seen) == sum(map(len, hits.values()))
    for event in events:
        part = event["event_attributes"]
        place = part["position"]["ordinal"]
        assert hits[event["query_id"]][place - 1] == part["object"]["object_id"]
        assert event["application"] == "shop"
    assert sum(event["action_name"] == "click" for event in events) == 3


def test_judgements_of_it_are_those_of_the_log(served, tmp_path, colours):
    write_ubi(served, tmp_path / "ubi")
    write_judgements(tmp_path / "ubi", tmp_path / "made", colours / "data", JudgementConfig())
    made = read_dataset(tmp_path / "made")
    assert set(made.queries["query"]) == {"red shoe", "blue shoe", "green shoe"}
    assert len(made.qrels) == 3


def test_a_folder_that_is_there_is_kept(served, tmp_path):
    with pytest.raises(DataError, match="Choose another --out"):
        write_ubi(served, tmp_path)
