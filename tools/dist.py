"""Check the wheel and the source package in dist/: what they hold, that they install and run.

Each extra is installed by itself in a new environment, by the hashes of the lock, and does there,
outside of the source tree, what its documents say. With --quick only the wheel without extras is:
it searches an index that the environment of this process has made.
"""

import argparse
import base64
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from packaging.metadata import Metadata
from packaging.requirements import Requirement

from tools.packages import LOCKS, PYPROJECT, ROOT, build_requirements, entries, reached, wanted

DIST = ROOT / "dist"
MADE = {"PKG-INFO", ".gitignore"}
"""Files of a source package that hatchling adds."""
NEVER = ("benchmarks/", "shared/", ".ci/")
TEXT = "red dress"
PRODUCTS = 100
START_S, ANSWER_S = 180, 300
TRAINING = """\
image_encoder: efficientnet-lite0
stages: [{name: fused, steps: 2, min_epochs: 0.1, batch_queries: 32, eval_every: 2}]
baselines: []
"""
STUDY = """\
seeds: [0]
budget: 1
base:
  image_encoder: efficientnet-lite0
  stages: [{name: fused, steps: 2, min_epochs: 0.1, batch_queries: 32, eval_every: 2}]
variants:
- {name: text_tower_experts, group: reference}
- {name: bm25, group: baseline, system: bm25}
- {name: average, group: fusion, settings: {model: {fusion: average}}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """An environment, and the folder that its commands run in."""

    bin: Path
    folder: Path

    def run(self, program: str, *arguments: object) -> str:
        """Run a program of the environment; returns what it printed."""
        done = subprocess.run(
            [str(self.bin / program), *map(str, arguments)],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            shown = " ".join([program, *map(str, arguments)])
            raise SystemExit(f"{shown}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout


@dataclass(frozen=True, slots=True)
class Job:
    """An extra, what it is installed from, and what is run then."""

    extra: str
    source: str
    work: Callable[[Place], None]


def main() -> None:
    """Check both packages, then each extra, or with --quick the base alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="install the wheel without extras")
    is_quick = parser.parse_args().quick
    (wheel,), (source,) = sorted(DIST.glob("*.whl")), sorted(DIST.glob("*.tar.gz"))
    check_wheel(wheel)
    check_source(source)
    with tempfile.TemporaryDirectory(prefix="windowshop-") as name:
        if is_quick:
            make_index(Place(Path(sys.executable).parent, Path(name)))
        for job in [job for job in JOBS if job.work is search_base or not is_quick]:
            started = spent()
            place = Place(Path(name) / "venv" / "bin", Path(name))
            install(place, job, wheel if job.source == "wheel" else source)
            installed = spent()
            job.work(place)
            shutil.rmtree(Path(name) / "venv")
            seconds = installed - started, spent() - installed
            took = "installed in {:.0f} s, ran {:.0f} s of a processor".format(*seconds)
            print(f"{job.source}[{job.extra}]: {took}", flush=True)


def spent() -> float:
    """Return the seconds of a processor that ended child processes took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def environment() -> dict[str, str]:
    """Return the variables of this process without those that lead into the source tree."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {"HF_HUB_OFFLINE": "1", "COLUMNS": "200"}


def check_wheel(wheel: Path) -> None:
    """Raise SystemExit where a wheel holds other files than the package, or its metadata lacks."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (described,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(archive.read(described), validate=True)
    info = described.removesuffix("METADATA")
    expected = {name.removeprefix("src/") for name in tracked("src")}
    compare(wheel, {name for name in names if not name.startswith(info)}, expected)
    missing = [
        name
        for name, value in (
            ("summary", metadata.summary),
            ("description", metadata.description),
            ("description_content_type", metadata.description_content_type),
            ("license_expression", metadata.license_expression),
            ("license_files", metadata.license_files),
            ("classifiers", metadata.classifiers),
            ("keywords", metadata.keywords),
            ("requires_python", metadata.requires_python),
        )
        if not value
    ]
    if missing or f"{info}licenses/LICENSE" not in names:
        raise SystemExit(f"{wheel.name}: its metadata lacks {missing or 'the licence file'}.")
    print(f"{wheel.name}: {len(expected)} files of the package, complete metadata")


def check_source(source: Path) -> None:
    """Raise SystemExit where a source package lacks files of the project, or holds further ones."""
    with tarfile.open(source) as archive:
        top = source.name.removesuffix(".tar.gz") + "/"
        names = {m.name.removeprefix(top) for m in archive.getmembers() if m.isfile()}
    included = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    paths = [path.removeprefix("/") for path in included]
    compare(source, names - MADE, {*tracked(*paths), "pyproject.toml"})
    if found := [name for name in names if name.startswith(NEVER)]:
        raise SystemExit(f"{source.name}: holds {found[:5]}, which is not to be passed on.")
    tests = sum(name.startswith("tests/") for name in names)
    print(f"{source.name}: {len(names)} files, {tests} of them tests")


def tracked(*paths: str) -> set[str]:
    """Return the files below some paths that git tracks."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(filter(None, done.stdout.split("\0")))


def compare(package: Path, found: set[str], expected: set[str]) -> None:
    """Raise SystemExit where a package's files are not those of the project."""
    if found != expected:
        raise SystemExit(
            f"{package.name}: further files {sorted(found - expected)[:5]}, "
            f"missing {sorted(expected - found)[:5]}."
        )


def install(place: Place, job: Job, package: Path) -> None:
    """Make an environment with an extra, of files that have the hashes of the lock.

    Last, pip is to install the extra from nowhere: nothing that it names may be missing.
    """
    venv.create(place.bin.parent, with_pip=True)
    is_wheel = package.suffix == ".whl"
    extras = [job.extra] if job.extra else []
    needed = [*wanted(extras), *([] if is_wheel else build_requirements())]
    requirements = place.folder / "requirements.txt"
    requirements.write_text("".join(of_the_lock(needed)))
    pip = ("python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    quick = ("--no-compile", "--no-deps")
    hashed = ("--require-hashes", "--only-binary", ":all:")
    place.run(*pip, *quick, *hashed, "-r", requirements)
    place.run(*pip, *quick, "--no-build-isolation", package)
    place.run(*pip, "--no-index", f"windowshop[{job.extra}]" if job.extra else "windowshop")
    place.run("python", "-m", "pip", "check")


def of_the_lock(needed: Iterable[Requirement]) -> list[str]:
    """Return the lines of the lock for what requirements lead to; torch as it is installed here."""
    names = reached(needed)
    cpu = "torch-cpu" if "+cpu" in version("torch") else "torch-pypi"
    locked = entries((LOCKS / "packages.txt").read_text()) | entries(
        (LOCKS / f"{cpu}.txt").read_text()
    )
    return [entry for name, entry in locked.items() if name in names]


def run_demo(place: Place) -> None:
    """Run the whole path, and leave its index for the jobs after it."""
    told = place.run("python", "-m", "windowshop", "demo", "demo", "--products", PRODUCTS)
    assert told.count(" results among ") == 3, told
    search_text(place)


def make_index(place: Place) -> None:
    """Make a small index of the demo's shop, where the demo would."""
    (place.folder / "train.yaml").write_text(TRAINING)
    windowshop = ("python", "-m", "windowshop")
    cache = ("--cache", "demo/cache")
    place.run(*windowshop, "demo-data", "demo/data", "--products", PRODUCTS)
    made = ("--out", "demo/model", "--config", "train.yaml", *cache)
    place.run(*windowshop, "train", "demo/data", *made)
    place.run(*windowshop, "index", "demo/model", "demo/data", "--out", "demo/index", *cache)


def search_text(place: Place) -> None:
    """Search the demo's index by text."""
    told = place.run("windowshop", "search", "demo/index", TEXT, "--json")
    assert json.loads(told)["results"], told


def search_base(place: Place) -> None:
    """Do without torch what needs none."""
    listed = json.loads(place.run("python", "-m", "pip", "list", "--format=json"))
    heavy = {"torch", "transformers", "peft", "matplotlib", "fastapi"}
    assert not heavy & {item["name"] for item in listed}, listed
    place.run("windowshop", "demo-data", "shop", "--products", PRODUCTS)
    assert "OK: no errors" in place.run("windowshop", "check", "shop")
    search_image(place)


def search_image(place: Place) -> None:
    """Search the demo's index by text and by an image of its own."""
    search_text(place)
    image = next((place.folder / "demo" / "data").rglob("*.jpg"))
    told = place.run("windowshop", "search", "demo/index", "--image", image, "--json")
    assert json.loads(told)["results"], told


def serve(place: Place) -> None:
    """Serve the demo's index: search, write a product with an image, end as asked."""
    port = free_port()
    command = [str(place.bin / "windowshop"), "serve", "demo/index", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    image = next((place.folder / "demo" / "data").rglob("*.jpg")).read_bytes()
    product = {"product_id": "new", "title": TEXT, "photo_base64": base64.b64encode(image).decode()}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=place.folder, env=environment(), stdout=quiet) as server:
        try:
            wait_for(f"{address}/ready", server)
            assert ask(f"{address}/search", {"text": TEXT})["results"]
            told = ask(f"{address}/products", {"products": [product]}, "PUT")
            assert told["results"][0]["status"] == "upserted", told
            with urlopen(f"{address}/", timeout=10) as page:
                assert b"<html" in page.read()
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0, server.returncode
    place.run("windowshop", "judgements", "demo/index", "--out", "exported")


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    """Wait until the server answers."""
    end = time.monotonic() + START_S
    while True:
        try:
            with urlopen(address, timeout=5):
                return
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.2)


def ask(address: str, content: object, method: str = "POST") -> Any:  # noqa: ANN401
    """Send JSON to the server, again where it is busy while a model loads; returns its answer."""
    body = json.dumps(content).encode()
    request = Request(address, body, {"Content-Type": "application/json"}, method=method)
    end = time.monotonic() + ANSWER_S
    while True:
        try:
            with urlopen(request, timeout=ANSWER_S) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > end:
                raise
            time.sleep(1)


def study(place: Place) -> None:
    """Compare two variants on the demo's data."""
    (place.folder / "study.yaml").write_text(STUDY)
    how = ("--study", "study.yaml", "--cache", "demo/cache", "--workers", 1)
    place.run("windowshop", "compare", "demo/data", "--out", "study", *how)
    assert (place.folder / "study" / "report.html").is_file()
    assert list((place.folder / "study" / "plots").iterdir())


JOBS = (
    Job("train", "wheel", run_demo),
    Job("", "wheel", search_base),
    Job("serve", "wheel", serve),
    Job("study", "wheel", study),
    Job("all", "source", search_image),
)


if __name__ == "__main__":
    main()
