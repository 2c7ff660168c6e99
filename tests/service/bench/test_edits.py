"""Settings, rules and synonyms edited over HTTP: checked, searched by at once, undone."""

import shutil

import pytest
import yaml
from support.browsing import judged_table
from support.services import SECRETS, problem, serving, wait_until, write_keys

from windowshop.search.settings import load_search_settings
from windowshop.service.bench.kept_files import MAX_FILES
from windowshop.service.http.api_keys import load_keys

WEIGHT = "text.channels.words.weight"
PIN = "rules:\n  - name: hit\n    queries: [red shoe]\n    pin: [p7]\n"
SAME = "same:\n  - [sneaker, shirt]\n"


def first(client, text="red shoe", **options):
    body = {"text": text, "log": False, **options}
    return [hit["product_id"] for hit in client.post("/search", json=body).json()["results"]]


def edit(client, name, text):
    version = client.get("/workbench/file", params={"name": name}).json()["version"]
    return client.put("/workbench/file", json={"name": name, "text": text, "version": version})


def undo(client, name):
    return client.post("/workbench/undo", json={"name": name})


def generation(client):
    pool = client.app.state.service.pool
    return pool.folder / "generations" / pool.current


def served(client):
    return client.get("/info").json()["settings"]


def test_changed_settings_are_saved_searched_by_and_undone(bench):
    before = served(bench)
    order = first(bench, "nike red shoe 7", limit=50)
    told = bench.put("/workbench/settings", json={"changes": {WEIGHT: 0.9, "bm25.b": 0.7}})
    assert told.status_code == 200, told.text
    assert told.json()["can_undo"]
    saved = load_search_settings(generation(bench))
    assert {c.name: c.weight for c in saved.text.channels}["words"] == 0.9
    assert served(bench)["bm25"]["b"] == 0.7
    changed = first(bench, "nike red shoe 7", limit=50)
    assert changed != order
    assert undo(bench, "search.yaml").status_code == 200
    assert served(bench) == before
    assert not (generation(bench) / "search.yaml").exists()
    assert first(bench, "nike red shoe 7", limit=50) == order
    assert undo(bench, "search.yaml").status_code == 200  # twice is none
    assert first(bench, "nike red shoe 7", limit=50) == changed


def test_a_side_finds_what_is_found_once_it_is_saved(bench):
    side = {"changes": {WEIGHT: 0.9, "bm25.b": 0.9, "text.cutoff.min_results": 7}}
    body = {"text": "nike red shoe 7", "limit": 50, "side": side}
    shown = bench.post("/workbench/search", json=body).json()["answer"]["results"]
    assert bench.put("/workbench/settings", json={"changes": side["changes"]}).status_code == 200
    assert first(bench, "nike red shoe 7", limit=50) == [hit["product_id"] for hit in shown]


def test_what_was_saved_is_measured_as_served(bench):
    bench.put("/workbench/sets", json={"name": "x", "content": judged_table(8)})

    def mean(*sides):
        asked = {"set": "own:x", "sides": list(sides)}
        assert bench.post("/workbench/run", json=asked).status_code == 200
        wait_until(lambda: bench.get("/workbench/run").json()["run"]["state"] == "done")
        figures = bench.get("/workbench/run").json()["run"]["figures"]
        return [side["ndcg@10"]["mean"] for side in figures["sides"]]

    served, changed = mean({}, {"changes": {WEIGHT: 0.9}})
    assert served != changed
    bench.put("/workbench/settings", json={"changes": {WEIGHT: 0.9}})
    assert mean({}) == [changed]


def test_a_file_that_was_changed_by_hand_is_not_overwritten(bench):
    bench.put("/workbench/settings", json={"changes": {WEIGHT: 0.9}})
    path = generation(bench) / "search.yaml"
    content = yaml.safe_load(path.read_text())
    content["strongest"] = "off"
    path.write_text(yaml.safe_dump(content))
    told = bench.put("/workbench/settings", json={"changes": {WEIGHT: 0.5}})
    assert "/admin/reread" in problem(told, 409, "edited")["message"]
    assert bench.post("/admin/reread").status_code == 200
    assert served(bench)["strongest"] == "off"
    path.write_text("strongest: maybe")
    told = bench.post("/admin/reread")
    assert "need one of" in problem(told, 409, "cannot_reread")["message"]
    assert served(bench)["strongest"] == "off"


@pytest.mark.parametrize("content", [b"strongest: maybe", b"strongest: [", b"# caf\xe9"])
def test_a_file_that_was_damaged_by_hand_is_told(bench, content):
    (generation(bench) / "search.yaml").write_bytes(content)
    told = bench.put("/workbench/settings", json={"changes": {WEIGHT: 0.5}})
    assert told.status_code == 409, told.text
    assert "search.yaml" in told.json()["error"]["message"]
    assert (generation(bench) / "search.yaml").read_bytes() == content


def test_a_damaged_note_of_an_edit_is_no_obstacle_to_the_next(bench):
    assert edit(bench, "rules.yaml", PIN).status_code == 200
    (note,) = (bench.app.state.service.pool.folder / "workbench/edits").iterdir()
    note.write_text("{}")
    problem(undo(bench, "rules.yaml"), 503, "damaged")
    assert edit(bench, "rules.yaml", "rules: []").status_code == 200
    assert undo(bench, "rules.yaml").json()["text"] == PIN


def test_edits_of_earlier_generations_are_no_obstacle(bench):
    folder = bench.app.state.service.pool.folder / "workbench/edits"
    folder.mkdir(parents=True)
    for number in range(MAX_FILES):
        (folder / f"{number}.json").write_text("{}")
    assert edit(bench, "rules.yaml", PIN).status_code == 200


def test_rules_are_previewed_saved_and_undone(bench):
    assert first(bench)[0] != "p7"
    body = {"text": "red shoe", "drafts": {"rules.yaml": PIN}}
    shown = bench.post("/workbench/search", json=body).json()["answer"]["results"]
    assert shown[0]["product_id"] == "p7"
    assert first(bench)[0] != "p7"  # a preview changes nothing
    told = edit(bench, "rules.yaml", PIN)
    assert told.status_code == 200, told.text
    assert first(bench)[0] == first(bench, generation="g1")[0] == "p7"
    assert first(bench, rules=False)[0] != "p7"
    assert undo(bench, "rules.yaml").json()["text"] == ""
    assert first(bench)[0] != "p7"


def test_synonyms_are_previewed_saved_and_undone(bench):
    def finds(**options):
        body = {"text": "sneaker", "side": {"mode": "words"}, **options}
        return bench.post("/workbench/search", json=body).json()["answer"]["total"]

    assert finds() == 0
    assert finds(drafts={"synonyms.yaml": SAME}) > 0
    assert finds() == 0
    assert edit(bench, "synonyms.yaml", SAME).status_code == 200
    assert finds() > 0
    assert undo(bench, "synonyms.yaml").status_code == 200
    assert finds() == 0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rules.yaml", "rules: [{name: x}]", "it changes nothing"),
        ("rules.yaml", "rules: [{name: x, where: 'size = 1', boost: 2}]", "size"),
        (
            "rules.yaml",
            "rules:\n  [",
            "cannot be read as YAML: line 2, column 4: expected the node",
        ),
        ("synonyms.yaml", "same: [[a, '!']]", "no letter or digit"),
        ("synonyms.yaml", "names: []", "unknown"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(bench, name, text, said):
    told = edit(bench, name, text)
    error = problem(told, 422, "bad_file")
    assert said in error["message"]
    assert name in error["message"] or error["where"] == name
    assert bench.get("/workbench/file", params={"name": name}).json()["text"] == ""
    body = {"text": "red shoe", "drafts": {name: text}}
    problem(bench.post("/workbench/search", json=body), 422, "bad_file")


def test_edits_of_a_catalogue_on_a_server_are_refused(bench, monkeypatch):
    monkeypatch.setattr("windowshop.service.bench.edits.is_linked", lambda folder: True)
    told = problem(edit(bench, "rules.yaml", PIN), 409, "on_a_server")
    assert "windowshop push" in told["message"]
    problem(bench.put("/workbench/settings", json={"changes": {WEIGHT: 0.9}}), 409, "on_a_server")
    assert not (bench.app.state.service.pool.folder / "rules.yaml").exists()


def test_an_edit_that_cannot_be_searched_by_is_put_back(bench, monkeypatch):
    def fail(_):
        raise RuntimeError("no room for the words")

    pool = type(bench.app.state.service.pool)
    with monkeypatch.context() as patch:
        patch.setattr(pool, "reread", fail)
        assert edit(bench, "rules.yaml", PIN).status_code == 500
    assert not (bench.app.state.service.pool.folder / "rules.yaml").exists()
    assert edit(bench, "rules.yaml", PIN).status_code == 200


def test_edits_that_meet_are_told(bench):
    assert edit(bench, "rules.yaml", PIN).status_code == 200
    stale = {"name": "rules.yaml", "text": "", "version": "0"}
    problem(bench.put("/workbench/file", json=stale), 409, "edited")
    problem(undo(bench, "synonyms.yaml"), 409, "no_edit")
    (bench.app.state.service.pool.folder / "synonyms.yaml").write_text("same: 3")
    problem(edit(bench, "rules.yaml", ""), 409, "cannot_reread")
    assert first(bench)[0] == "p7"
    assert bench.get("/workbench/file", params={"name": "rules.yaml"}).json()["text"] == PIN


def test_only_an_operator_changes_what_shoppers_find(page_index, tmp_path):
    index = shutil.copytree(page_index, tmp_path / "index")
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    with serving(index, keys) as client:
        for method, path in (
            ("PUT", "workbench/settings"),
            ("PUT", "workbench/file"),
            ("POST", "workbench/undo"),
            ("POST", "admin/reread"),
        ):
            for name in ("front", "feed"):
                client.headers["X-API-Key"] = SECRETS[name]
                problem(client.request(method, f"/{path}", json={}), 403, "wrong_scope")
        client.headers["X-API-Key"] = SECRETS["feed"]
        assert client.get("/workbench/file?name=rules.yaml").status_code == 200
