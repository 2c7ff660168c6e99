"""Products taken out line by line."""

import json
import shutil

import pytest
from support.services import serving

LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def client(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    with serving(index, batch_products=2, line_bytes=1_000) as client:
        yield client


def sent(client, lines, query=""):
    told = client.request("DELETE", f"/products{query}", content=lines, headers=LINES)
    assert (told.status_code, told.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in told.text.splitlines()]


def left(client):
    return {f"p{i}" for i in range(12) if client.get(f"/products/p{i}").status_code == 200}


def test_each_line_has_its_result(client):
    lines = [b'"p1"', b'{"product_id": "p2"}', b"", b'"p1"', b'"nobody"', b"p3", b"4", b'"p4']
    lines += [b'{"product_ids": ["p5"]}', b'""', b'"' + b"p" * 513 + b'"', b'["p6"]', b"NaN"]
    lines += [b'"\\ud800"', b'"' + b"p" * 2_000 + b'"', b'"p7"']
    told = sent(client, b"\n".join(lines))
    done = {line["line"]: (line["product_id"], line["status"]) for line in told[:4]}
    assert done == {
        1: ("p1", "deleted"),
        2: ("p2", "deleted"),
        4: ("p1", "absent"),
        5: ("nobody", "absent"),
    }
    assert [line["line"] for line in told] == [1, 2, *range(4, 17)]
    assert {line["status"] for line in told[4:-1]} == {"failed"}
    assert all(0 < len(line["error"]) < 1_000 for line in told[4:-1])
    assert (told[-1]["product_id"], told[-1]["status"]) == ("p7", "deleted")
    assert left(client) == {f"p{i}" for i in range(12)} - {"p1", "p2", "p7"}


def test_only_what_failed_is_told_with_counts(client):
    told = sent(client, b'"p1"\n"p2"\n"p3"\n"nobody"\nno\n', "?only_failed=true")
    assert [line.get("line") for line in told] == [5, None]
    assert told[1] == {"num_deleted": 3, "num_absent": 1, "num_failed": 1}


def test_lines_and_a_list_do_the_same(client):
    told = client.request("DELETE", "/products", json={"product_ids": ["p1", "nobody"]}).json()
    results = sent(client, b'"p2"\n"nobody"')
    plain = [{key: line[key] for key in ("product_id", "status")} for line in results]
    assert [line["status"] for line in told["results"]] == [line["status"] for line in plain]
    assert sent(client, b"") == []
