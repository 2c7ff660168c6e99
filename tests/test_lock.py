"""The lock files fit pyproject.toml, and the environment that runs these tests is of them."""

import re
from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.utils import canonicalize_name
from tools.packages import (
    DEVELOPMENT,
    LOCKS,
    build_requirements,
    locked,
    reached,
    version_of,
    wanted,
)

PLATFORMS = [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")]
WHOLE = locked("packages") | locked("torch-pypi")
NEEDED = [*wanted(DEVELOPMENT), *build_requirements()]


def environment(system, machine):
    return {
        "sys_platform": system.lower(),
        "platform_system": system,
        "platform_machine": machine,
        "python_version": "3.11",
        "python_full_version": "3.11.14",
        "extra": "",
    }


@pytest.mark.parametrize(("system", "machine"), PLATFORMS)
def test_each_requirement_of_the_project_is_locked(system, machine):
    place = environment(system, machine)
    for requirement in NEEDED:
        pin = WHOLE.get(canonicalize_name(requirement.name))
        assert pin, f"{requirement} is not locked: run `make lock`"
        assert pin.marker is None or pin.marker.evaluate(place)
        assert requirement.specifier.contains(version_of(pin)), f"{requirement}: run `make lock`"


def test_parts_are_parts_of_the_whole():
    for name in ("serve", "train", "build"):
        for package, pin in locked(name).items():
            assert version_of(pin) == version_of(WHOLE[package])
    served = {canonicalize_name(requirement.name) for requirement in wanted(["serve"])}
    assert served <= set(locked("serve")) <= set(locked("train"))
    assert not {"torch", "transformers"} & set(locked("serve"))
    trained = {canonicalize_name(requirement.name) for requirement in wanted(["train"])}
    assert trained - set(locked("train")) == {"torch"}
    assert "pytest" not in locked("serve")
    assert {canonicalize_name(r.name) for r in build_requirements()} <= set(locked("build"))


def test_both_builds_of_torch_are_of_one_version():
    (cpu,) = locked("torch-cpu").values()
    assert version_of(cpu) == f"{version_of(WHOLE['torch'])}+cpu"


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_lock_file_has_hashes_and_no_places(path):
    text = path.read_text()
    assert "://" not in text
    entries = [e for e in re.split(r"\n(?=\S)", text.strip()) if not e.startswith("#")]
    assert entries
    names = [entry.partition("==")[0] for entry in entries]
    assert len(names) == len(set(names)), "a package is locked twice: `make lock`"
    for entry in entries:
        first, *hashes = entry.split(" \\\n    ")
        assert re.fullmatch(r"[\w.-]+==[\w.+]+( ; .*)?", first)
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", item) for item in hashes)


def test_what_is_installed_is_what_is_locked():
    """Whoever installs otherwise than by `make` tests something else."""
    pins = {n: p for n, p in locked("packages").items() if not p.marker or p.marker.evaluate()}
    for name, pin in {**pins, "torch": WHOLE["torch"]}.items():
        try:
            found = version(name).removesuffix("+cpu")
        except PackageNotFoundError:
            found = "none"
        assert found == version_of(pin), f"{name} {found} is installed, {pin} locked: run `make`"
    unmarked = {name for name in reached(NEEDED) if not re.match(r"cuda-|nvidia-|triton", name)}
    assert unmarked == {*pins, "torch"}
