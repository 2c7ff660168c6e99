"""The service on a port, in one process, until a signal ends it."""

import gc
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from windowshop.errors import ConfigError
from windowshop.service.app import create_app
from windowshop.service.config import ServiceConfig
from windowshop.service.generation_pool import GenerationPool
from windowshop.service.http.api_keys import LOOPBACK, Keys, load_keys

DRAIN_SECONDS = 5
"""Time that requests under way get after a signal."""
KEEP_ALIVE_SECONDS = 30
SWITCH_SECONDS = 0.0005
"""Time after which a thread yields Python to others, the event loop among them."""
OPEN_FILES = 65_536
DEFAULT_RATE = "50/second"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that a terminal or a reader of lines obeys, but for tabs and ends of lines."""


class _Server(uvicorn.Server):
    """Server that calls `stop` at the signal, before it finishes requests."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stop()
        super().handle_exit(sig, frame)


def serve(
    index: Path,
    host: str,
    port: int,
    config: ServiceConfig,
    *,
    keys_file: Path | None = None,
    also: Sequence[str] = (),
    listening: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve an index folder until SIGTERM or SIGINT; `listening` gets the address.

    Raises ConfigError for a host that needs keys or a port that is taken, and what opening the
    index raises.
    """
    keys = _keys(keys_file, host)
    if keys is not None and config.rate is None:
        config = replace(config, rate=DEFAULT_RATE)
    pool = GenerationPool(index, also)
    _log_to_stderr()
    _allow_open_files()
    sys.setswitchinterval(SWITCH_SECONDS)
    listener = _listener(host, port)
    servers: list[_Server] = []

    def failed() -> None:
        for server in servers:
            server.should_exit = True

    app = create_app(pool, config, keys, failed, _spare_collector)
    servers.append(_Server(_settings(app), pool.stop))
    listening(_address(listener))
    _run(servers[0], listener)
    if app.state.service.failure is not None:
        raise app.state.service.failure
    if app.state.service.num_pending:
        os._exit(0)  # everything is closed; the interpreter would wait for a thread that hangs


def _spare_collector() -> None:
    """Let the garbage collector pass over what is open.

    Its walk through a catalogue takes tenths of a second, in which nobody is answered.
    """
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()  # what the generation before left
    gc.freeze()


def _settings(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


class LogFormatter(logging.Formatter):
    """Format that requests cannot forge: only a record begins at the margin.

    Further lines are indented, and other control characters are shown as a mark.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's lines."""
        return "\n    ".join(CONTROLS.sub("\ufffd", super().format(record)).split("\n"))


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name, level in (("windowshop", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.handlers, logger.propagate = [handler], False


def _allow_open_files() -> None:
    """Raise the limit of open files, which connections are, as far as the system lets it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run until a signal; uvicorn raises it again at its end, which would not be exit code 0."""
    before = {sig: signal.signal(sig, _ignored) for sig in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run(sockets=[listener])
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def _ignored(sig: int, frame: FrameType | None) -> None:
    """Do nothing: uvicorn has handled the signal."""


def _keys(path: Path | None, host: str) -> Keys | None:
    if path is not None:
        return load_keys(path)
    if host not in LOOPBACK:
        raise ConfigError(
            f"--host {host}: without keys only this machine is served, as 127.0.0.1. Add --keys."
        )
    return None


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port}: cannot be listened on ({error.strerror}). Choose another --port."
        ) from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
