"""A PostgreSQL server of our own for the tests: the distribution's binaries, a throw-away data folder, a free port.

PostgreSQL refuses to run as root, so as root the server is started as the user `postgres` or `nobody`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port

# Durability is PostgreSQL's own business; the tests that kill a server turn it on again for themselves.
FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
COMMON = ("-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "listen_addresses=127.0.0.1")


class Missing(Exception):
    """There is no PostgreSQL on this machine. `str(error)` says what to install."""


@dataclass
class Cluster:
    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://corridor@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # its "fast" shutdown: SIGTERM would wait for clients
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def find(program: str) -> str:
    """Path of a PostgreSQL program, also where Debian hides it."""
    found = shutil.which(program)
    if found:
        return found
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)
    if not places:
        raise Missing(f"no {program} here: install PostgreSQL (Debian: apt-get install postgresql)")
    return str(places[0])


def start(*, durable: bool = False) -> Cluster:
    initdb, postgres = find("initdb"), find("postgres")
    folder = Path(tempfile.mkdtemp(prefix="corridor-pg-"))
    user = _unprivileged()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"
    # The binary's own wrapper prefers the programs that lie beside it.
    _run(user, initdb, "-D", str(data), "-U", "corridor", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
    port = free_port()
    command = [postgres, "-D", str(data), "-p", str(port), "-k", str(folder), *COMMON, *(() if durable else FAST)]
    user_id, group_id = (None, None) if user is None else (user.pw_uid, user.pw_gid)
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=folder, user=user_id, group=group_id)
    cluster = Cluster(folder, port, process)
    _wait(cluster)
    return cluster


def _unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Missing("PostgreSQL refuses to run as root, and there is no user to run it as")


def _run(user: pwd.struct_passwd | None, *command: str) -> None:
    user_id, group_id = (None, None) if user is None else (user.pw_uid, user.pw_gid)
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, user=user_id, group=group_id)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr}")


def _wait(cluster: Cluster) -> None:
    import time

    import psycopg

    for _ in range(200):
        if cluster.process.poll() is not None:
            raise RuntimeError("PostgreSQL did not start")
        try:
            psycopg.connect(f"host=127.0.0.1 port={cluster.port} user=corridor dbname=postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not answer within 10 s")
