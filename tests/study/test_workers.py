"""Studies whose variants are trained by several processes side by side."""

import itertools
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
import torch
import yaml
from support.interrupting import Countdown, Interrupted
from support.kinds import write_kinds
from support.tiny_studies import TUNING, VARIANTS, assert_same_report, runner_of, study_settings

from windowshop.data.dataset import read_dataset
from windowshop.errors import ConfigError, ModelError
from windowshop.progress import SilentReporter
from windowshop.study import memory, runner, seed, workers
from windowshop.study.config import VariantConfig, load_study
from windowshop.study.prepare import prepare_study
from windowshop.study.workers import Task
from windowshop.training import weight_interpolation as mixing

pytestmark = pytest.mark.slow

NAMES = ("text_tower_experts", "text_only", "bm25", "both", "tuned")
WAIT_S = 120


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Train with the threads that each of two workers has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def study_file(folders, tmp_path_factory):
    content = study_settings(folders["clip"])
    content["variants"] = [v for v in VARIANTS if v["name"] in NAMES]
    content["curve_variants"] = ["text_tower_experts", "tuned", "text_only"]
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def study(study_file):
    return load_study(study_file)


@pytest.fixture(scope="module")
def run_study(kinds_place):
    return runner_of(kinds_place)


@pytest.fixture(scope="module")
def alone(study, run_study, tmp_path_factory):
    """The report of one process."""
    out = tmp_path_factory.mktemp("alone") / "report"
    run_study(study, out)
    return out


def features(place):
    return {path.name for path in (place / "cache").iterdir()}


def test_two_workers_come_to_the_report_of_one_process(
    study, run_study, alone, kinds_place, tmp_path, monkeypatch
):
    before = features(kinds_place)
    monkeypatch.delattr(workers.SeedRuns, "_rank")  # here; the workers import it afresh
    few = replace(study, curve_variants=())
    run_study(few, tmp_path / "report", workers=2)
    monkeypatch.undo()
    run_study(study, tmp_path / "report")  # the curves
    assert_same_report(tmp_path / "report", alone)
    assert features(kinds_place) == before
    assert not list((tmp_path / "report" / "runs").glob("weights-*"))


def test_longest_trainings_come_first_and_what_is_kept_not_at_all(
    study, run_study, alone, tmp_path, monkeypatch
):
    given = []

    @contextmanager
    def spy(source, tasks, num_workers):
        given.append((num_workers, [(task.seed, task.variant) for task in tasks]))
        yield lambda task: None

    monkeypatch.setattr(runner, "run_workers", spy)
    run_study(study, tmp_path / "report", workers=3)
    first = ["tuned", "text_tower_experts", "text_only", "bm25", "both"]
    later = [name for name in first if name != "bm25"]
    assert given == [(3, [(0, name) for name in first] + [(1, name) for name in later])]
    run_study(study, tmp_path / "report", workers=3)
    assert given[1:] == [(3, [])]


def test_what_fails_in_a_worker_is_told_as_if_it_failed_here(
    study, run_study, tmp_path, monkeypatch
):
    """A cut-off study whose weights are damaged."""
    out = tmp_path / "report"
    count, save = Countdown(2), seed.save_seed
    with monkeypatch.context() as patch:
        patch.setattr(seed, "save_seed", lambda *given: count() or save(*given))
        with pytest.raises(Interrupted):
            run_study(study, out)
    weights = list((out / "runs" / "weights-0").glob("*.safetensors"))
    assert weights
    for path in weights:
        path.write_bytes(path.read_bytes()[:100])
    told = []
    for number in (1, 2):
        with pytest.raises(ModelError, match="safetensors: weights in the making") as raised:
            run_study(study, out, workers=number)
        told.append(str(raised.value).partition(".safetensors")[2])
    assert told[0] == told[1]


class Killer(SilentReporter):
    """Kills the workers as soon as the first variant is waited for."""

    def note(self, text):
        if text.startswith("Variant 1 of "):
            killed = workers_of(psutil.Process())
            for process in killed:
                process.kill()
            assert len(killed) == 2


def workers_of(process):
    children = process.children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_a_killed_worker_is_named(study, run_study, tmp_path):
    with pytest.raises(ConfigError, match="a worker ended before.*fewer --workers"):
        run_study(study, tmp_path / "report", reporter=Killer(), workers=2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_a_stopped_study_which_goes_on(
    study, study_file, run_study, alone, kinds_place, tmp_path, number
):
    """Killed by itself, or told to stop with its workers, as Ctrl-C does."""
    out = tmp_path / "report"
    args = ["compare", kinds_place / "data", "--out", out, "--study", study_file]
    args += ["--cache", kinds_place / "cache", "--workers", 2]
    command = [sys.executable, "-m", "windowshop", *map(str, args)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        started = time.monotonic()
        while not list(out.glob("runs/*/seed-*.json")):
            assert process.poll() is None
            assert time.monotonic() - started < WAIT_S
            time.sleep(0.05)
        children = workers_of(psutil.Process(process.pid))
        if number == signal.SIGKILL:
            process.kill()
        else:
            os.killpg(process.pid, number)
        told = process.communicate(timeout=WAIT_S)[1]
    assert len(children) == 2
    assert psutil.wait_procs(children, timeout=WAIT_S)[1] == []
    assert not (out / "results.json").exists()
    assert ("stopped; run the same command again" in told) == (number == signal.SIGINT)
    run_study(study, out)
    assert_same_report(out, alone)


def test_features_of_trained_encoders_go_with_the_weights_of_any_process(
    study, kinds_place, tmp_path
):
    """The process that drops a seed's weights need not be the one that trained them."""
    before, cache = features(kinds_place), kinds_place / "cache"
    undecided = write_kinds(tmp_path / "data", ("train", "test"))  # so what is tuned is kept
    data = prepare_study(read_dataset(undecided), study, tmp_path / "runs", cache, SilentReporter())
    assert seed.SeedRuns(data, 7).trained(data.variant("tuned"))
    assert features(kinds_place) > before
    seed.SeedRuns(data, 7).clear()
    assert features(kinds_place) == before


def test_features_of_equal_encoders_are_never_removed(study, kinds_place, tmp_path, monkeypatch):
    """Another training may have come to the same encoder while one tries mixes of its weights."""
    tuned = {"stages": [{"name": "separate", "fine_tuning": TUNING}, {"name": "fused"}]}
    first, second = (
        VariantConfig(name=name, group="fusion", settings={**tuned, "model": {"fusion": name}})
        for name in ("experts", "average")
    )
    few = replace(study, reference="experts", variants=(first, second), curve_variants=())
    data = read_dataset(kinds_place / "data")
    ready = prepare_study(data, few, tmp_path, kinds_place / "cache", SilentReporter())
    figures, scores = mixing._dev_figures, itertools.count()
    monkeypatch.setattr(  # so all of the tuned weights are taken
        mixing, "_dev_figures", lambda *given: figures(*given) | {"score": next(scores)}
    )
    runs = seed.SeedRuns(ready, 7)
    place = runs.trained(first).prepared.cache.place("text")
    assert place != ready.prepared.cache.place("text")
    with (place / "rows.f16").open("rb") as file:
        assert runs.trained(second).prepared.cache.place("text") == place
        assert os.fstat(file.fileno()).st_nlink == 1
    runs.clear()
    assert not place.exists()


@pytest.mark.parametrize(
    ("device", "threads", "tasks", "free", "expected"),
    [
        ("cpu", 2, 9, 12_000, 2),
        ("cpu", 2, 9, 11_999, 1),
        ("cpu", 16, 9, 24_000, 4),
        ("cpu", 16, 3, 24_000, 3),
        ("cpu", 16, 9, 1_000, 1),
        ("cuda", 16, 9, 24_000, 1),
    ],
)
def test_workers_fit_tasks_cores_and_memory(device, threads, tasks, free, expected, monkeypatch):
    """A prepared study of 1,000 bytes may come to need 6,000 in each worker."""
    size = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=1_000))
    monkeypatch.setattr(workers.psutil, "Process", lambda: size)
    monkeypatch.setattr(workers, "free_memory", lambda: free)
    monkeypatch.setattr(workers.torch, "get_num_threads", lambda: threads)
    assert workers.fitting_workers(torch.device(device), tasks) == expected


@pytest.mark.parametrize(
    ("limit", "taken", "expected"),
    [("max", "100", 1_000), ("500", "100", 400), ("5000", "100", 1_000), ("500", "600", 0)],
)
def test_free_memory_heeds_a_containers_limit(limit, taken, expected, tmp_path, monkeypatch):
    free = SimpleNamespace(available=1_000)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.free_memory() == 1_000
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text(taken + "\n")
    assert memory.free_memory() == expected


@pytest.mark.parametrize(("tasks", "number"), [([Task(0, "a")], 1), ([], 2)])
def test_one_worker_or_nothing_to_do_starts_no_process(tasks, number):
    with workers.run_workers(None, tasks, number) as wait:
        assert wait(Task(0, "a")) is None
        assert workers_of(psutil.Process()) == []


def test_a_worker_has_its_share_of_threads_however_little_is_left(monkeypatch):
    given, threads = [], [8]

    class Pool:
        def __init__(self, num_workers, context, start, initargs):
            given.append((num_workers, initargs[1]))

        def submit(self, function, task):
            pass

        def shutdown(self, **how):
            pass

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(workers.torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(workers.torch, "set_num_threads", threads.append)
    for num_tasks in (0, 1, 2, 9):
        with workers.run_workers(None, [Task(i, "a") for i in range(num_tasks)], 4):
            assert threads[-1] == 2
        assert threads[-1] == 8
    assert given == [(1, 2), (2, 2), (4, 2)]
