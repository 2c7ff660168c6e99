"""Encodes shards on a cluster of Ray: actors of Ray Data, each a process with the encoders.

Actors get names of shards and return counts; rows and features go through the folder. An actor that
dies is started again, on another node where its own is gone, and its shard is made again.
"""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from windowshop.errors import (
    ConfigError,
    EncoderError,
    WindowshopError,
    first_line,
    needs_extra,
)
from windowshop.model.encoding.job import Places, join_job
from windowshop.model.encoding.worker import ShardEncoder, attempt

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""Environment of the driver: errors come as exceptions, and nothing is sent or uploaded."""
CONNECT_S = 5.0
NO_CLUSTER = "Start one with `ray start --head` on one machine and `ray start --address` on others."


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterConfig:
    """Cluster that encodes, and the size of its actors."""

    address: str
    """HOST:PORT of the cluster's head, or `auto` for the one that this machine is a node of."""
    cpus: int = 1
    """Cores of an actor."""
    gpus: float = 0.0
    """GPUs of an actor, or a share of one."""

    def __post_init__(self) -> None:
        """Check the address's form and the ranges."""
        host, _, port = self.address.rpartition(":")
        if self.address != "auto" and ("/" in host or not host or not port.isdigit()):
            raise ConfigError(f"--ray {self.address!r} is no address. Give HOST:PORT, or auto.")
        if self.cpus < 1 or self.gpus < 0:
            raise ConfigError(f"--cpus {self.cpus} --gpus {self.gpus}: an actor needs 1 core.")


class ShardActor:
    """Worker process of Ray Data; its input and output are columns of texts and numbers."""

    def __init__(self, out: str, job_id: str) -> None:
        self._places, self._job_id = Places(Path(out)), job_id
        self._encoder: ShardEncoder | None = None

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        """Encode one shard; an error comes back as its text, with the node's address."""
        import ray

        (name,) = batch["name"].tolist()
        try:
            with attempt(self._places, name) as making:
                if self._encoder is None:
                    job, model = join_job(self._places, self._job_id)
                    self._encoder = ShardEncoder(self._places, job, model.text, model.image)
                num_rows = self._encoder.encode(name, making).num_rows
        except (WindowshopError, OSError) as error:
            node = ray.util.get_node_ip_address()
            return {"num_rows": [0], "error": [f"node {node}: {error}"]}
        return {"num_rows": [num_rows], "error": [""]}


def encode_on_cluster(
    places: Places, job_id: str, names: Sequence[str], config: ClusterConfig
) -> Iterator[int]:
    """Encode shards while `connected`; yields the number of rows of each one that is finished.

    Raises EncoderError where a node cannot take part, or the cluster gives up.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext
    from ray.exceptions import RayError

    context = DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    strategy = ActorPoolStrategy(
        size=min(len(names), _num_actors(config)), max_tasks_in_flight_per_actor=1
    )
    work = ray.data.from_items([{"name": name} for name in names], override_num_blocks=len(names))
    done = work.map_batches(
        ShardActor,
        fn_constructor_args=(str(places.out.resolve()), job_id),
        batch_size=1,
        compute=strategy,
        num_cpus=config.cpus,
        num_gpus=config.gpus,
    )
    try:
        for row in done.iter_rows():
            if row["error"]:
                raise EncoderError(row["error"])
            yield int(row["num_rows"])
    except RayError as error:
        raise EncoderError(
            f"the cluster gave up: {first_line(error)}. Finished shards stay; run the command "
            "again to go on."
        ) from error


def _num_actors(config: ClusterConfig) -> int:
    """Return how many actors the cluster has room for."""
    import ray

    there = ray.cluster_resources()
    fitting = int(there.get("CPU", 0) // config.cpus)
    if config.gpus:
        fitting = min(fitting, int(there.get("GPU", 0) // config.gpus))
    if fitting == 0:
        raise ConfigError(
            f"the cluster has {there.get('CPU', 0):g} cores and {there.get('GPU', 0):g} GPUs, and "
            f"an actor needs {config.cpus} and {config.gpus:g}. Add nodes, or lower --cpus, --gpus."
        )
    return fitting


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be a driver of a cluster within the block, unless this process is one already.

    No usage statistics are sent, no working directory is uploaded, and no logs are fetched.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with needs_extra("ray"):
        import ray
        import ray.data
    if ray.is_initialized():
        yield
        return
    if address != "auto":
        _require_answer(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"--ray {address}: {first_line(error)}. {NO_CLUSTER}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Raise ConfigError where nobody listens: Ray itself would ask for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--ray {address}: no answer ({error}). {NO_CLUSTER}") from None
