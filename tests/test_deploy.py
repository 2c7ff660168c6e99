"""The container files: linted, and in step with the command line that they call."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from windowshop.cli.entry import app
from windowshop.index import is_address

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).parents[1] / "deploy"
BIN = Path(sys.executable).parent
FILES = ("compose.yaml", "qdrant.yaml")


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def options(command):
    """Option names that a subcommand takes."""
    click_command = typer.main.get_command(app).commands[command]
    return {name for parameter in click_command.params for name in parameter.opts}


def compose(name="compose.yaml"):
    return yaml.safe_load((DEPLOY / name).read_text())


def test_dockerfile_passes_its_linter(tmp_path):
    assert run(BIN / "hadolint", DEPLOY / "Dockerfile") == (0, "")
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp\n")
    assert run(BIN / "hadolint", bad)[0] != 0


def test_compose_file_is_one(tmp_path):
    check = (BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    for name in FILES:
        assert run(*check, DEPLOY / name)[0] == 0
    bad = tmp_path / "compose.yaml"
    bad.write_text("services: {a: {image: 7}}\n")
    assert run(*check, bad)[0] != 0


def test_dockerfile_calls_options_that_there_are():
    text = (DEPLOY / "Dockerfile").read_text()
    command = json.loads(re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)[1])
    assert {word for word in command if word.startswith("--")} <= options(command[0])
    assert command[command.index("--host") + 1] == "0.0.0.0"
    assert "--keys" in command


@pytest.mark.parametrize(
    ("name", "service"),
    [("compose.yaml", "windowshop"), ("compose.yaml", "index"), ("qdrant.yaml", "windowshop")],
)
def test_containers_have_few_rights(name, service):
    content = compose(name)["services"][service]
    assert (content["read_only"], content["cap_drop"]) == (True, ["ALL"])
    command = content.get("command")
    if command:
        assert {word for word in command if word.startswith("--")} <= options(command[0])


def test_the_cluster_is_of_the_version_that_the_client_needs():
    """Its nodes know one another, and the service asks for a name that all of them have."""
    connect = (DEPLOY.parent / "src/windowshop/index/qdrant/connect.py").read_text()
    oldest = tuple(
        map(int, re.search(r"^OLDEST = \((\d+), (\d+)\)$", connect, re.MULTILINE).groups())
    )
    services = compose("qdrant.yaml")["services"]
    nodes = {name: held for name, held in services.items() if name.startswith("qdrant-")}
    assert len(nodes) == 3
    for name, node in nodes.items():
        version = re.fullmatch(r"qdrant/qdrant:v(\d+)\.(\d+)\.\d+", node["image"])
        assert tuple(map(int, version.groups())) >= oldest
        assert node["networks"]["default"]["aliases"] == ["qdrant"]
        command = node["command"]
        assert command[command.index("--uri") + 1] == f"http://{name}:6335"
        assert ("--bootstrap" in command) == (name != "qdrant-1")
    service = services["windowshop"]
    assert is_address(service["command"][1])
    keys = {node["environment"]["QDRANT__SERVICE__API_KEY"] for node in nodes.values()}
    assert keys == {service["environment"]["QDRANT_API_KEY"]}


def test_ports_are_published_on_loopback_only():
    ports = [
        port
        for name in FILES
        for service in compose(name)["services"].values()
        for port in service.get("ports", [])
    ]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_folders_of_volumes_belong_to_the_user():
    """A new volume has the owner of the image's folder, or root, who the containers are not."""
    text = (DEPLOY / "Dockerfile").read_text()
    made = re.search(r"install -d -o windowshop -g windowshop (.*)$", text, re.MULTILINE)[1].split()
    content = compose()
    mounted = [
        volume.split(":")
        for service in ("windowshop", "index")
        for volume in content["services"][service]["volumes"]
        if isinstance(volume, str)
    ]
    assert {target for _, target in mounted} == set(made)
    assert {source for source, _ in mounted} <= set(content["volumes"])
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "useradd --uid 10001" in text


def test_the_build_writes_to_volumes_only():
    """All else is read-only: its command names the folders that are mounted."""
    service = compose()["services"]["index"]
    command = service["command"]
    written = {command[command.index(name) + 1] for name in ("--out", "--cache")}
    mounted = {v.split(":")[1] for v in service["volumes"] if isinstance(v, str)}
    assert written == mounted


def test_an_image_installs_by_hashes_only():
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install (.*?)(?:&&|\|\||;|\n)", text)
    assert len(installs) == 6
    assert installs.pop().split() == ["--no-deps", "dist/*.whl"]
    for install in installs:
        assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())
    files = set(re.findall(r"-r ([\w./-]+txt)", text))
    assert files == {
        f"requirements/{n}.txt" for n in ("build", "serve", "train", "torch-cpu", "torch-pypi")
    }
    assert all((DEPLOY.parent / file).is_file() for file in files)
    ignored = (DEPLOY.parent / ".dockerignore").read_text().split()
    copied = [
        source for line in re.findall(r"^COPY (.*)", text, re.M) for source in line.split()[:-1]
    ]
    assert {f"!{name}" for name in copied if not name.startswith(("--", "/"))} <= set(ignored)
