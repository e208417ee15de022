"""What is wrong with a node, and what to do about it: `corridor doctor`.

Each check yields findings: `ok`, `warn` (it works, but somebody should look), or `fault` (it does not work, or something
will be lost). Here is what can be seen without a database: settings, files, the node's secret. What the database tells
is in `diagnosis`; whether its schema fits is asked of the migrations by whoever knows them.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

import msgspec

from activitypub.errors import Malformed
from activitypub.vocabulary import normal_authority
from node import config, db
from node.config import MIB, ConfigError, Settings
from node.secrets import SECRET_FILE, SecretError, load_vault

FULL_BYTES = 100 * MIB
LOW_BYTES = 1024 * MIB
LOW_SHARE = 0.05


class State(Enum):
    OK = "ok"
    WARN = "warn"
    FAULT = "fault"


class Finding(msgspec.Struct, frozen=True):
    """One line of the diagnosis. `advice` says what to do; there is none where all is well."""

    check: str
    state: State
    message: str
    advice: str = ""


Check = Callable[[Settings], Iterator[Finding]]


def ok(check: str, message: str) -> Finding:
    return Finding(check, State.OK, message)


def warn(check: str, message: str, advice: str) -> Finding:
    return Finding(check, State.WARN, message, advice)


def fault(check: str, message: str, advice: str) -> Finding:
    return Finding(check, State.FAULT, message, advice)


def healthy(findings: list[Finding]) -> bool:
    return all(finding.state is not State.FAULT for finding in findings)


def of_folder(settings: Settings, config_path: Path) -> list[Finding]:
    """Everything that can be said without opening the database."""
    return [
        *_settings(settings),
        *_files(settings, config_path),
        *_secret(settings),
        *_disk(settings),
    ]


def _settings(settings: Settings) -> Iterator[Finding]:
    found = list(_doubtful_settings(settings))
    yield from found or [ok("settings", f"{settings.node.department} at {settings.base}")]


def _doubtful_settings(settings: Settings) -> Iterator[Finding]:
    try:
        config.refuse_unsafe(settings, settings.server.host)
    except ConfigError as error:
        yield fault("settings", str(error), "listen on 127.0.0.1 behind a reverse proxy, or change these settings")
    federation = settings.federation
    for entry in federation.allowlist:
        try:
            normal_authority(entry, settings.node.scheme)
        except Malformed as error:
            yield fault("settings", f"federation.allowlist: {entry!r}: {error}", "write host or host:port")
    if federation.mode == "allowlist" and not federation.allowlist:
        yield warn("settings", "no peers: federation.allowlist is empty", "list the other departments' domains")
    if settings.mail.transport == "smtp" and not (settings.mail.url and settings.mail.sender):
        yield fault("settings", 'mail.transport is "smtp" without mail.url or mail.sender', "set both")


def _files(settings: Settings, config_path: Path) -> Iterator[Finding]:
    private = [settings.home / SECRET_FILE, config_path]
    if settings.is_sqlite:
        private.append(db.sqlite_path(settings.database_url))
    found = [finding for path in private if (finding := _exposed(path)) is not None]
    found += _writable(settings)
    yield from found or [ok("files", "settings, secret and data are for this user alone")]


def _exposed(path: Path) -> Finding | None:
    """Others on this machine must read neither the secret, nor passwords in the settings, nor what people wrote."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None  # that it is missing is said elsewhere
    if not mode & (stat.S_IRWXG | stat.S_IRWXO) or _is_sheltered(path):
        return None
    make = fault if path.name == SECRET_FILE else warn
    return make("files", f"{path} can be read or written by others (mode {mode:04o})", f"chmod 600 {path}")


def _is_sheltered(path: Path) -> bool:
    """True for files whose folder lets nobody else in; but the secret is copied about and must be closed by itself."""
    return path.name != SECRET_FILE and not stat.S_IMODE(path.parent.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)


def _writable(settings: Settings) -> Iterator[Finding]:
    folders = {"media": settings.media_dir}
    if settings.is_sqlite:
        folders["database"] = db.sqlite_path(settings.database_url).parent
    for what, folder in folders.items():
        if not folder.is_dir():
            yield fault("files", f"the folder for {what}, {folder}, is not there", f"mkdir -m 700 {folder}")
        elif not os.access(folder, os.W_OK | os.X_OK):
            yield fault("files", f"{folder} cannot be written", "make it the property of the user that runs the node")


def _secret(settings: Settings) -> Iterator[Finding]:
    try:
        load_vault(settings.home)
    except SecretError as error:
        yield fault("secret", str(error), "bring secret.key back from a backup; no other one opens the stored keys")
    else:
        yield ok("secret", "the node's secret can be read")


def _disk(settings: Settings) -> Iterator[Finding]:
    places = {settings.home, settings.media_dir}
    if settings.is_sqlite:
        places.add(db.sqlite_path(settings.database_url).parent)
    seen: set[int] = set()
    for place in sorted(places):
        if not place.is_dir() or (device := place.stat().st_dev) in seen:
            continue
        seen.add(device)
        usage = shutil.disk_usage(place)
        message = f"{usage.free // MIB:,} MiB free at {place}"
        if usage.free < FULL_BYTES:
            yield fault("disk", message, "make room: a full disk takes no posts")
        elif usage.free < LOW_BYTES or usage.free < usage.total * LOW_SHARE:
            yield warn("disk", message, "make room before it is full")
        else:
            yield ok("disk", message)
