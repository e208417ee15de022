"""Bringing a backup back into an empty folder: `corridor restore`.

The whole file is checked before anything is written: every entry must be one that a backup has, and its hash that of the
manifest. Then everything is made aside, and put in its place at the end (see `staging`): a full disk leaves nothing. The
restored database says so of itself: its `epoch` rises, so that peers who hold newer copies of what it published can tell
(the epoch is at least the present time in seconds, so that restoring twice never repeats one).
"""

import contextlib
import gzip
import hashlib
import os
import re
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec
from sqlalchemy import MetaData, inspect
from sqlalchemy.exc import SQLAlchemyError

from node import backup, config, db
from node.backup import CONFIG, DATABASES, FORMAT, MANIFEST, MEDIA, SECRET, BackupError, Manifest
from node.config import Settings
from node.secrets import SECRET_FILE
from node.staging import Staging, leftovers

RESTORED_AT, EPOCH, CATCH_UP_FROM = "restored_at", "epoch", "catch_up_from"
"""Keys in `meta`: when this database came out of a backup (ms), how often the past was rewound, and as of when it is (ms)
until the server has begun to ask peers for what came later."""
MANIFEST_BYTES = 64 * 1024 * 1024
_CHUNK = 1024 * 1024
_MEDIA_NAME = re.compile(rf"{MEDIA}/[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,200}}")

Progress = Callable[[int, int], None]
"""(bytes done, bytes in all)"""
Say = Callable[[str], None]
"""A line for the administrator."""


def restore(
    path: Path,
    config_path: Path,
    *,
    database_url: str | None = None,
    progress: Progress = lambda _done, _all: None,
    say: Say = lambda _line: None,
) -> tuple[Manifest, Settings]:
    """Bring the backup at `path` back: settings to `config_path`, the rest beside it as the settings say.

    `database_url` names another database than the settings do; it is written into them. Raises BackupError, ConfigError,
    OSError; nothing is written unless the whole backup is sound and there is nothing in its way, and nothing stays unless
    all of it could be. `say` hears what an earlier restore has left that was killed.
    """
    home = config_path.parent.resolve()
    _say_leftovers(home, say)
    if not _is_free(home):
        raise BackupError(f"{home} is not an empty folder: nothing was restored. Name a new one with --config.")
    manifest, text = _verified(path, progress)
    if database_url is not None:
        text = with_database(text, database_url)
    settings = _settings(text, home)
    _refuse_taken(settings, manifest, say)
    try:
        with Staging() as staging:
            staged = _staged(staging, settings, config_path.name)
            _write(staged.home / config_path.name, iter([text.encode()]))
            _unpack(path, manifest, staged, progress)
            _load_database(manifest, staged, staging)
    except (OSError, SQLAlchemyError) as error:
        raise BackupError(f"{home}: nothing was restored: {_reason(error)}") from error
    return manifest, settings


def with_database(text: str, url: str) -> str:
    """The settings with another `database.url`; everything else, comments too, stays as it is."""
    return config.with_value(text, "database", "url", url)


# --- checking ----------------------------------------------------------------


def _verified(path: Path, progress: Progress) -> tuple[Manifest, str]:
    """(manifest, settings file) of a backup that is whole. Raises BackupError."""
    hashes: dict[str, tuple[int, str]] = {}
    kept: dict[str, bytes] = {}
    size = path.stat().st_size
    with path.open("rb") as raw, _reading(path, raw) as tar:
        for member in _members(path, tar):
            digest, length, parts = hashlib.sha256(), 0, []
            for chunk in _chunks(tar, member):
                digest.update(chunk)
                length += len(chunk)
                if member.name in (MANIFEST, CONFIG) and length <= MANIFEST_BYTES:
                    parts.append(chunk)
            if member.name in hashes:
                raise BackupError(f"{path}: {member.name} is in it twice")
            hashes[member.name] = length, digest.hexdigest()
            kept[member.name] = b"".join(parts)
            progress(raw.tell() // 2, size)
    manifest = _manifest(path, kept.get(MANIFEST))
    hashes.pop(MANIFEST, None)
    if hashes != {entry.name: (entry.size, entry.sha256) for entry in manifest.files}:
        raise BackupError(f"{path} is damaged: its files are not those of its manifest")
    if not {CONFIG, SECRET, DATABASES[manifest.engine]} <= hashes.keys():
        raise BackupError(f"{path} is not whole: settings, secret or database are missing")
    try:
        return manifest, kept[CONFIG].decode()
    except UnicodeDecodeError as error:
        raise BackupError(f"{path}: its settings are no text") from error


def _manifest(path: Path, raw: bytes | None) -> Manifest:
    if raw is None:
        raise BackupError(f"{path} is not whole: it ends before its manifest")
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupError(f"{path}: its manifest cannot be read: {error}") from error
    if manifest.format != FORMAT or manifest.engine not in DATABASES:
        raise BackupError(
            f"{path} was made by another release of corridor ({manifest.version}): restore it with that one"
        )
    return manifest


@contextlib.contextmanager
def _reading(path: Path, raw: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """The tar on an open file; whatever cannot be read of it is a BackupError."""
    try:
        with tarfile.open(fileobj=raw, mode="r:*") as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(f"{path} is no backup, or damaged: {error}") from error


def _members(path: Path, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Plain files with names that a backup has: nothing else is ever looked at, so that nothing can lead elsewhere."""
    allowed = {CONFIG, SECRET, MANIFEST, *DATABASES.values()}
    for member in tar:
        if not member.isreg() or (member.name not in allowed and not _MEDIA_NAME.fullmatch(member.name)):
            raise BackupError(f"{path} holds {member.name!r}, which no backup of a node does: nothing was restored")
        yield member


def _chunks(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    file = tar.extractfile(member)
    assert file is not None  # a plain file: `_members` lets nothing else through
    while chunk := file.read(_CHUNK):
        yield chunk


def _settings(text: str, home: Path) -> Settings:
    """The settings as they will be loaded once they are in `home`."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / CONFIG
        trial.write_text(text, encoding="utf-8")
        return msgspec.structs.replace(config.load(trial), home=home.resolve())


def _is_free(folder: Path) -> bool:
    """Not there, or empty but for what a restore has left that was killed."""
    return not folder.exists() or (folder.is_dir() and set(folder.iterdir()) <= set(leftovers(folder)))


def _say_leftovers(place: Path, say: Say) -> None:
    for path in leftovers(place):
        say(f"{path} is left of a restore that was killed, unless one is running just now: remove it")


def _refuse_taken(settings: Settings, manifest: Manifest, say: Say) -> None:
    """Raise BackupError if the database is of the other kind, or anything is where it would go."""
    engine = "sqlite" if settings.is_sqlite else "postgresql"
    if engine != manifest.engine:
        raise BackupError(
            f"the backup is of a {manifest.engine} database, but database.url is {engine}: use --database-url"
        )
    _say_leftovers(settings.media_dir, say)
    if not _is_free(settings.media_dir):
        raise BackupError(f"{settings.media_dir} holds files: nothing was restored")
    if settings.is_sqlite:
        file = db.sqlite_path(settings.database_url)
        _say_leftovers(file, say)
        if file.exists():
            raise BackupError(f"{file} exists: nothing was restored. Name another one with --database-url.")
        return
    made = backup.engine_for(settings)
    try:
        tables = inspect(made).get_table_names()
    except SQLAlchemyError as error:
        raise BackupError(f"the database cannot be reached: {getattr(error, 'orig', error)}") from error
    finally:
        made.dispose()
    if tables:
        raise BackupError("the database has tables already: nothing was restored. Make an empty one (createdb).")


# --- writing -----------------------------------------------------------------


def _staged(staging: Staging, settings: Settings, config_name: str) -> Settings:
    """The settings with every place replaced by where it is made. Made first, the home is put in place last."""
    home = settings.home
    aside = staging.folder(home, last=config_name)
    media = settings.media_dir.resolve()
    media_aside = aside / media.relative_to(home) if media.is_relative_to(home) else staging.folder(media)
    media_aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    url = settings.database_url
    if settings.is_sqlite:
        file = db.sqlite_path(url)
        file_aside = aside / file.relative_to(home) if file.is_relative_to(home) else staging.file(file)
        file_aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        url = f"sqlite:///{file_aside}"
    return msgspec.structs.replace(
        settings,
        home=aside,
        media=msgspec.structs.replace(settings.media, directory=str(media_aside)),
        database=msgspec.structs.replace(settings.database, url=url),
    )


def _unpack(path: Path, manifest: Manifest, staged: Settings, progress: Progress) -> None:
    places = {SECRET: staged.home / SECRET_FILE, DATABASES[manifest.engine]: _database_file(staged)}
    size = path.stat().st_size
    with path.open("rb") as raw, _reading(path, raw) as tar:
        for member in _members(path, tar):
            if member.name.startswith(f"{MEDIA}/"):
                _write(staged.media_dir / member.name.removeprefix(f"{MEDIA}/"), _chunks(tar, member))
            elif member.name in places:
                _write(places[member.name], _chunks(tar, member))
            progress(size // 2 + raw.tell() // 2, size)


def _database_file(staged: Settings) -> Path:
    return db.sqlite_path(staged.database_url) if staged.is_sqlite else staged.home / DATABASES["postgresql"]


def _load_database(manifest: Manifest, staged: Settings, staging: Staging) -> None:
    """What was unpacked as the database, and everything in its place."""
    if manifest.engine == "sqlite":
        _mark(staged, manifest.created_at)
        staging.commit()
        return
    dump = _database_file(staged)
    options = ["--no-owner", "--no-acl", "--exit-on-error", "--single-transaction"]
    backup.call([backup.program("pg_restore"), *options, str(dump)], staged.database_url)
    try:
        dump.unlink()
        _mark(staged, manifest.created_at)
        staging.commit()
    except BaseException:
        _empty(staged)
        raise


def _empty(settings: Settings) -> None:
    """Drop what was restored into a PostgreSQL database: it had no tables before."""
    made = backup.engine_for(settings)
    try:
        tables = MetaData()
        tables.reflect(made)
        tables.drop_all(made)
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", error)
        raise BackupError(
            f"the restore failed, and its tables are still there: make a new database ({reason})"
        ) from error
    finally:
        made.dispose()


def _reason(error: OSError | SQLAlchemyError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return str(getattr(error, "orig", error))


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    """A new file, on disk when this returns. Raises FileExistsError rather than replace one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with _naming(path), os.fdopen(descriptor, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """A full disk does not say which file it was about."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _mark(settings: Settings, made_at: int) -> None:
    now = time.time_ns() // 1_000_000
    made = backup.engine_for(settings)
    try:
        with db.exclusive(made) as connection:
            before = backup.get_meta(connection, EPOCH)
            epoch = max(now // 1000, int(before) + 1 if before and before.isdigit() else 0)
            backup.put_meta(connection, RESTORED_AT, str(now))
            backup.put_meta(connection, EPOCH, str(epoch))
            backup.put_meta(connection, CATCH_UP_FROM, str(made_at))
    finally:
        made.dispose()
    if settings.is_sqlite and (log := Path(f"{db.sqlite_path(settings.database_url)}-wal")).exists():
        raise BackupError(f"nothing was restored: the database did not close, and left {log}")
