"""One file that holds a whole node: `corridor backup`; `restoring` brings it back.

The file is a tar (gzip by its name: .gz, .tgz) of the settings, the node's secret, the database as it was at one moment,
the media, and last a manifest with the hash of each. It is written beside its final name and renamed when it is whole
and on disk. Whoever has it can act as the node: it holds the secret.
"""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import IO

import msgspec
from sqlalchemy import Connection, Engine, create_engine, make_url, select
from sqlalchemy.exc import DBAPIError

from node import db
from node.config import Settings
from node.schema import meta
from node.secrets import SECRET_FILE
from node.staging import sync_folder

FORMAT = 1
CONFIG, SECRET, MEDIA, MANIFEST = "corridor.toml", "secret.key", "media", "manifest.json"
DATABASES = {"sqlite": "database.sqlite", "postgresql": "database.pgdump"}
LAST_BACKUP = "backup_at"
"""Key in `meta`: when the last backup was finished, ms."""
_CHUNK = 1024 * 1024

Progress = Callable[[int, int], None]
"""(bytes written, bytes in all)"""


class BackupError(Exception):
    """No backup was made, or it cannot be brought back. `str(error)` says why and what to do."""


class Entry(msgspec.Struct, frozen=True):
    """One file of the backup."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What the backup holds. `created_at` in ms UTC; `revision` is the schema's."""

    format: int
    version: str
    domain: str
    engine: str
    revision: str
    created_at: int
    files: tuple[Entry, ...] = ()


def create(
    settings: Settings, config_path: Path, target: Path, *, progress: Progress = lambda _done, _all: None
) -> Manifest:
    """Back the node up into `target`, replacing what is there only when the new file is whole. Works beside a server.

    Everything that was committed before is in it. Raises BackupError, OSError.
    """
    created_at = time.time_ns() // 1_000_000
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".corridor-backup-", dir=target.parent) as folder:
        engine = "sqlite" if settings.is_sqlite else "postgresql"
        database = Path(folder) / DATABASES[engine]
        revision = _copy_database(settings, database)
        # Media after the database: what the copied rows name was there before them. What goes meanwhile is not missed.
        sources = [
            (CONFIG, config_path),
            (SECRET, settings.home / SECRET_FILE),
            (database.name, database),
            *((f"{MEDIA}/{path.name}", path) for path in _media(settings.media_dir)),
        ]
        whole = Path(folder) / target.name
        manifest = Manifest(FORMAT, metadata.version("corridor"), settings.node.domain, engine, revision, created_at)
        manifest = _pack(whole, sources, manifest, progress)
        os.replace(whole, target)
    sync_folder(target.parent)
    _remember(settings, created_at)
    return manifest


# --- the database ------------------------------------------------------------


def _copy_database(settings: Settings, target: Path) -> str:
    """A consistent copy of the database in `target`; its schema's revision."""
    if settings.is_sqlite:
        return _copy_sqlite(db.sqlite_path(settings.database_url), target)
    command = [program("pg_dump"), "--format=custom", "--no-owner", "--no-acl", f"--file={target}"]
    call(command, settings.database_url)
    engine = create_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def _copy_sqlite(source: Path, target: Path) -> str:
    """SQLite's own online backup, in one step: a single read transaction, which stops no writer."""
    if not source.is_file():
        raise BackupError(f"{source}: there is no database. `corridor doctor` says more.")
    try:
        # Not read-only: a reader of a write-ahead log must be able to make its index beside it.
        origin, copy = sqlite3.connect(source), sqlite3.connect(target)
        try:
            origin.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            revision = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            copy.close()
            origin.close()
    except sqlite3.Error as error:
        raise BackupError(f"{source}: {error}") from error
    if damage != "ok":
        raise BackupError(f"{source} is damaged ({damage}): restore the last good backup")
    return str(revision[0]) if revision else ""


def _revision(connection: Connection) -> str:
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")


def program(name: str) -> str:
    """A program of PostgreSQL, also where Debian hides it. Raises BackupError."""
    found = shutil.which(name)
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    if found is None and not places:
        raise BackupError(
            f"{name} is needed for a PostgreSQL database: install postgresql-client of the server's version"
        )
    return found or str(places[0])


def call(command: list[str], url: str) -> None:
    """Run a program of PostgreSQL on the database; the password goes by the environment, since others see arguments."""
    address = make_url(url)
    password = {"PGPASSWORD": str(address.password)} if address.password is not None else {}
    plain = address._replace(drivername="postgresql", password=None).render_as_string()
    done = subprocess.run(
        [*command, f"--dbname={plain}"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **password},
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise BackupError(f"{Path(command[0]).name} failed: {reason[-1] if reason else done.returncode}")


def engine_for(settings: Settings) -> Engine:
    return db.sqlite_engine(settings.database_url) if settings.is_sqlite else create_engine(settings.database_url)


def put_meta(connection: Connection, key: str, value: str) -> None:
    """Set a fact about this database."""
    changed = connection.execute(meta.update().where(meta.c.key == key).values(value=value))
    if not changed.rowcount:
        connection.execute(meta.insert().values(key=key, value=value))


def get_meta(connection: Connection, key: str) -> str | None:
    found: str | None = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
    return found


def _remember(settings: Settings, at: int) -> None:
    """For the doctor. The backup is there even if this cannot be written."""
    engine = engine_for(settings)
    try:
        with db.exclusive(engine) as connection:
            put_meta(connection, LAST_BACKUP, str(at))
    except DBAPIError:
        return
    finally:
        engine.dispose()


# --- the file ----------------------------------------------------------------


def is_compressed(path: Path) -> bool:
    return path.suffix in (".gz", ".tgz")


def _media(folder: Path) -> list[Path]:
    """Finished files; what an upload is just writing begins with a dot."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _pack(path: Path, sources: list[tuple[str, Path]], manifest: Manifest, progress: Progress) -> Manifest:
    total = sum(source.stat().st_size for _, source in sources if source.exists())
    entries: list[Entry] = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        mode = "w:gz" if is_compressed(path) else "w:"
        with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
            done = 0
            for name, source in sources:
                try:
                    file = source.open("rb")
                except FileNotFoundError:
                    if name.startswith(MEDIA):
                        continue
                    raise
                with file:
                    entries.append(_add(tar, name, file, manifest.created_at))
                done += entries[-1].size
                progress(done, max(done, total))
            manifest = msgspec.structs.replace(manifest, files=tuple(entries))
            with tempfile.TemporaryFile() as text:
                text.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
                text.seek(0)
                _add(tar, MANIFEST, text, manifest.created_at)
        out.flush()
        os.fsync(out.fileno())
    return manifest


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes], at: int) -> Entry:
    info = tarfile.TarInfo(name)
    info.size = os.fstat(file.fileno()).st_size
    info.mode, info.mtime = 0o600, at // 1000
    reading = _Hashing(file)
    tar.addfile(info, reading)
    return Entry(name, info.size, reading.digest.hexdigest())


class _Hashing:
    """A file that hashes what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = _CHUNK) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data
