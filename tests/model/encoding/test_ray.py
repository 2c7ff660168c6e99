"""A cluster of Ray gives the files of a single process, also when workers and nodes die."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from support.encoding import SteppingIn, files_of

from windowshop.data import read_dataset
from windowshop.errors import ConfigError, EncoderError
from windowshop.model import ClusterConfig, EncodingConfig, encode_catalogue
from windowshop.model.encoding import cluster as clusters
from windowshop.model.encoding.cluster import connected, encode_on_cluster
from windowshop.model.encoding.job import Places
from windowshop.model.encoding.worker import ATTEMPTS, attempt
from windowshop.progress import SILENT

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SMALL = {"object_store_memory": 80 * 2**20}
SHARDS = 12
WORKER = "ray::MapWorker"
"""Title of a process that encodes."""


@pytest.fixture(scope="module")
def cluster():
    """A head without cores at 127.0.0.2; nodes of one core each are added."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.2"}
        made = Cluster(initialize_head=True, head_node_args={**head, **SMALL})
        try:
            yield made
        finally:
            made.shutdown()


@pytest.fixture
def nodes(cluster):
    made = [cluster.add_node(num_cpus=1, node_ip_address=f"127.0.0.{n}", **SMALL) for n in (3, 4)]
    yield made
    for node in made:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


@pytest.fixture(scope="module")
def encode(colours, colours_model):
    def run(out, cluster=None, reporter=SILENT):
        address = cluster and ClusterConfig(address=cluster.address)
        config = EncodingConfig(num_shards=SHARDS, cluster=address)
        return encode_catalogue(
            colours_model, read_dataset(colours / "data"), out, reporter, config
        )

    return run


def workers():
    """Processes of this test's nodes that encode, by the addresses of their nodes."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.name().startswith(WORKER[:15]) and process.status() != psutil.STATUS_ZOMBIE
    ]


def test_two_nodes_give_the_files_of_one_process(tmp_path, cluster, nodes, encode):
    alone, shared = encode(tmp_path / "alone"), encode(tmp_path / "shared", cluster)
    assert shared == alone
    assert files_of(tmp_path / "shared") == files_of(tmp_path / "alone")


def test_a_killed_worker_and_a_removed_node_lose_nothing(tmp_path, cluster, nodes, encode):
    seen = []

    def step(count):
        if count == 1:
            seen.extend(workers())
            os.kill(seen[0].pid, signal.SIGKILL)
        if count == 4:
            cluster.remove_node(nodes[0])

    reporter = SteppingIn("Encode the shards", step)
    alone, shared = encode(tmp_path / "alone"), encode(tmp_path / "shared", cluster, reporter)
    assert len(seen) == 2
    assert reporter.count == SHARDS
    assert shared == alone
    assert files_of(tmp_path / "shared") == files_of(tmp_path / "alone")


def test_nothing_is_uploaded(cluster, nodes, monkeypatch):
    import ray

    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED")
    with connected(cluster.address):
        context = ray.get_runtime_context()
        assert dict(context.runtime_env) == {}
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] == "0"


def encode_one(tmp_path, **settings):
    """Encode a shard on a cluster that is not there."""
    config = ClusterConfig(**settings)
    with connected(config.address):
        return list(encode_on_cluster(Places(tmp_path), "job", ["00000-x"], config))


def test_a_node_that_does_not_see_the_folder_is_named(tmp_path, cluster, nodes):
    with pytest.raises(EncoderError, match=r"node 127\.0\.0\.[34]: .*storage that every node"):
        encode_one(tmp_path, address=cluster.address)


def test_an_actor_too_large_for_the_cluster_is_refused(tmp_path, cluster, nodes):
    with pytest.raises(ConfigError, match="has 2 cores and 0 GPUs"):
        encode_one(tmp_path, address=cluster.address, cpus=64)


class Dying:
    """Worker that ends its process with every shard."""

    def __init__(self, out, job_id):
        self.places = Places(Path(out))

    def __call__(self, batch):
        (name,) = batch["name"].tolist()
        try:
            with attempt(self.places, name):
                os.kill(os.getpid(), signal.SIGKILL)
        except EncoderError as error:
            return {"num_rows": [0], "error": [str(error)]}


class Broken:
    """Worker with a fault of its own."""

    def __init__(self, out, job_id):
        pass

    def __call__(self, batch):
        raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("worker", "told"),
    [
        (Dying, "10 processes died while they encoded it"),
        (Broken, r"the cluster gave up: .*Finished shards stay"),
    ],
)
def test_a_shard_that_cannot_be_made_ends_the_run(
    tmp_path, cluster, nodes, monkeypatch, worker, told
):
    from ray import cloudpickle

    for i in range(ATTEMPTS - 2):  # two more are to come
        (Places(tmp_path).making / "00000-x" / str(i)).mkdir(parents=True)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(clusters, "ShardActor", worker)
    with pytest.raises(EncoderError, match=told):
        encode_one(tmp_path, address=cluster.address)


def test_an_address_where_nobody_answers_is_named(tmp_path, colours, colours_model):
    config = EncodingConfig(cluster=ClusterConfig(address="127.0.0.1:1"))
    with pytest.raises(ConfigError, match="no answer"):
        encode_catalogue(
            colours_model, read_dataset(colours / "data"), tmp_path / "out", SILENT, config
        )
    assert not (tmp_path / "out").exists()
