"""A PostgreSQL server of our own for the tests: the distribution's binaries, a throw-away data folder, a free port.

PostgreSQL refuses to run as root, so as root the server is started as the user `postgres` or `nobody`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

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
    unused: list[str] = field(default_factory=list)
    """Migrated databases without a row, see `take`."""
    made: int = 0
    shape: tuple[Any, ...] | None = None
    """Of their schema, see `give_back`."""

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://corridor@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def connection(self, database: str = "postgres") -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        address = f"host=127.0.0.1 port={self.port} user=corridor dbname={database}"
        with psycopg.connect(address, autocommit=True) as opened:
            yield opened

    def administer(self, statement: LiteralString, *names: str) -> None:
        """`{}` in the statement stands for a name."""
        with self.connection() as opened:
            opened.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

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
    for _ in range(200):
        if cluster.process.poll() is not None:
            raise RuntimeError("PostgreSQL did not start")
        try:
            with cluster.connection():
                return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not answer within 10 s")


# --- Databases that are used again: making one takes ten times as long as emptying it

FEW_ROWS = 2000
"""What is left in a database with more of them would be in the way of the next test's plans."""
_SHAPE = """
    SELECT (SELECT version_num FROM alembic_version), count(*), sum(hashtext(concat_ws(' ', relname, attname, atttypid)))
    FROM pg_class
    JOIN pg_namespace n ON n.oid = relnamespace AND nspname = 'public' JOIN pg_attribute ON attrelid = pg_class.oid
"""
_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
_RESTART = """
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
    WHERE last_value IS NOT NULL
"""


def take(cluster: Cluster, template: str) -> str:
    """The name of an empty database with the template's schema."""
    if cluster.unused:
        return cluster.unused.pop()
    cluster.made += 1
    name = f"t{cluster.made}"
    cluster.administer("CREATE DATABASE {} TEMPLATE {}", name, template)
    return name


def give_back(cluster: Cluster, name: str, template: str) -> None:
    """To be taken again, unless it is gone, its schema was changed, or too much is in it."""
    if _was_emptied(cluster, name, template):
        cluster.unused.append(name)
    else:
        cluster.administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _was_emptied(cluster: Cluster, name: str, template: str) -> bool:
    try:
        with cluster.connection(name) as opened, opened.transaction():
            opened.execute("SET LOCAL lock_timeout = '2s'")
            opened.execute("SET LOCAL session_replication_role = replica")  # foreign keys are not looked at
            opened.execute(_OTHERS)
            if opened.execute(_SHAPE).fetchone() != _shape(cluster, template):
                return False
            rows = sum(
                opened.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table))).rowcount
                for table in _filled(opened)
            )
            opened.execute(_RESTART)
    except psycopg.Error:
        return False
    return rows <= FEW_ROWS


def _shape(cluster: Cluster, template: str) -> tuple[Any, ...] | None:
    if cluster.shape is None:
        with cluster.connection(template) as opened:
            cluster.shape = opened.execute(_SHAPE).fetchone()
    return cluster.shape


def _filled(opened: "psycopg.Connection[tuple[Any, ...]]") -> list[str]:
    """The tables with rows, in one question."""
    tables = [str(row[0]) for row in opened.execute(_TABLES)]
    each = (sql.SQL("EXISTS (SELECT FROM {})").format(sql.Identifier(table)) for table in tables)
    found = opened.execute(sql.SQL("SELECT ") + sql.SQL(", ").join(each)).fetchone() or ()
    return [table for table, has_rows in zip(tables, found, strict=True) if has_rows]
