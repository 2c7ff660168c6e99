"""Access by key, rate and origin."""

import logging
import shutil

import pytest
from support.services import SECRETS, problem, serving, write_keys

from windowshop.errors import ConfigError
from windowshop.service.http.api_keys import Keys, given_key, load_keys


@pytest.fixture(scope="module")
def client(colours_index, tmp_path_factory):
    index = shutil.copytree(colours_index, tmp_path_factory.mktemp("open") / "index")
    with serving(index) as client:
        yield client


def test_only_this_machine_is_served_without_keys(client):
    problem(client.get("/info", headers={"Host": "evil.example"}), 403, "bad_host")
    foreign = {"Origin": "https://evil.example"}
    problem(client.post("/admin/compact", headers=foreign), 403, "bad_origin")
    assert client.get("/info", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    own = {"Origin": "http://localhost"}
    assert client.post("/search", json={}, headers=own).status_code == 200


def test_keys_open_what_their_scopes_say(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    calls = {
        "search": ("POST", "/search"),
        "write": ("PUT", "/products"),
        "admin": ("POST", "/admin/optimise"),
    }
    bodies = {"search": {"text": "shoe"}, "write": {"products": []}, "admin": None}
    allowed = {"front": {"search"}, "feed": {"search", "write"}, "boss": set(calls)}
    with serving(index, keys, address=("10.0.0.9", 5000)) as client:
        for scope, (method, path) in calls.items():
            problem(client.request(method, path, json=bodies[scope]), 401, "no_key")
            wrong = {"X-API-Key": "guess"}
            problem(client.request(method, path, headers=wrong), 401, "wrong_key")
            for name, secret in SECRETS.items():
                sent = {"Authorization": f"Bearer {secret}"}
                told = client.request(method, path, json=bodies[scope], headers=sent)
                if scope in allowed[name]:
                    assert told.status_code == 200, told.text
                else:
                    problem(told, 403, "wrong_scope")
        header = {"X-API-Key": SECRETS["front"]}
        assert client.get("/info", headers=header).json()["scopes"] == ["search"]
        problem(client.get("/products/p0/photo"), 401, "no_key")
        assert client.get(f"/products/p0/photo?key={SECRETS['front']}").status_code == 200
        problem(client.get(f"/info?key={SECRETS['front']}"), 401, "no_key")
        problem(client.get("/metrics", headers=header), 403, "wrong_scope")
        assert client.get("/health").json() == {"status": "alive"}
        assert client.get("/info", headers=header | {"Host": "shop.example"}).status_code == 200


def test_images_can_be_public_and_metrics_are_open_on_this_machine(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    with serving(index, keys, public_images=True) as client:
        assert client.get("/products/p0/photo").status_code == 200
        assert client.get("/metrics").status_code == 200
        problem(client.get("/metrics", headers={"X-Forwarded-For": "1.2.3.4"}), 401, "no_key")


def test_a_client_is_limited_and_told_when_to_come_again(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    with serving(index, rate="3/hour", image_rate_factor=2) as client:
        for _ in range(3):
            assert client.get("/products/p0").status_code == 200
        refused = client.get("/products/p0")
        problem(refused, 429, "too_many")
        assert 1 <= int(refused.headers["retry-after"]) <= 3600
        images = [client.get("/products/p0/photo").status_code for _ in range(7)]
        assert images == [200] * 6 + [429]
        assert client.get("/health").status_code == 200


def test_guesses_count_towards_the_rate(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    with serving(index, keys, rate="3/hour", address=("10.0.0.9", 5000)) as client:
        guesses = [client.get("/info", headers={"X-API-Key": f"guess {i}"}) for i in range(4)]
        assert [told.status_code for told in guesses] == [401, 401, 401, 429]
        own = client.get("/info", headers={"X-API-Key": SECRETS["front"]})
        assert own.status_code == 200  # others behind the same address are not shut out


def test_no_key_is_logged(colours_index, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "httpx2")  # the client of this test
    index = shutil.copytree(colours_index, tmp_path / "index")
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    with serving(index, keys, address=("10.0.0.9", 5000)) as client:
        for key in (SECRETS["front"], "guess-of-a-key"):
            client.get(f"/products/p0/photo?key={key}")
            client.get("/info", headers={"Authorization": f"Bearer {key}"})
        with client.app.state.service.pool.lease() as searcher:
            monkeypatch.setattr(searcher, "answer", lambda request: 1 / 0)
        told = client.post("/search", json={"text": "red"}, headers={"X-API-Key": SECRETS["front"]})
        assert told.status_code == 500
    assert "ZeroDivisionError" in caplog.text  # a fault, logged with its traceback
    assert SECRETS["front"] not in caplog.text
    assert "guess-of-a-key" not in caplog.text


def test_other_sites_may_call_where_they_were_named(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    shop = "https://shop.example"
    with serving(index, origins=(shop,)) as client:
        asked = {"Origin": shop, "Access-Control-Request-Method": "POST"}
        told = client.options("/search", headers=asked)
        assert told.headers["access-control-allow-origin"] == shop
        answer = client.post("/search", json={}, headers={"Origin": shop})
        assert answer.headers["access-control-allow-origin"] == shop
        other = client.options("/search", headers=asked | {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_key_is_found_wherever_it_is_sent(tmp_path):
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    secret = SECRETS["feed"]
    for sent in (
        given_key({b"authorization": f"bearer {secret}".encode()}),
        given_key({b"x-api-key": secret.encode()}),
        given_key({}, f"size=3&key={secret}".encode()),
    ):
        assert keys.find(sent).name == "feed"
    assert keys.find(secret + " ") is None
    assert keys.find("\udcff") is None
    assert given_key({}) is None
    assert given_key({b"authorization": b"Basic eDp5"}) is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("keys: []", "has none"),
        ("keys: [{name: a, sha256: short, scopes: [search]}]", "64 digits"),
        (f"keys: [{{name: a, sha256: '{'0' * 64}', scopes: []}}]", "give it scopes"),
        (f"keys: [{{name: a, sha256: '{'0' * 64}', scopes: [root]}}]", "scopes"),
        ("keys: [{name: a, sha256: x, scope: [search]}]", "scope"),
    ],
)
def test_a_key_file_with_a_mistake_is_refused(tmp_path, content, told):
    path = tmp_path / "keys.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=told):
        load_keys(path)


def test_two_keys_of_one_name_are_refused(tmp_path):
    keys = load_keys(write_keys(tmp_path / "keys.yaml")).keys
    with pytest.raises(ConfigError, match="same name"):
        Keys(keys=(*keys, keys[0]))
