"""Settings: one TOML file, each value overridable as `CORRIDOR_<SECTION>__<KEY>` (lists as JSON).

`load` checks everything and names what is wrong in words an administrator can act on. The page docs/configuration.md lists
exactly these settings; a test compares the two. No code asks whether this is a development set-up: `init --dev` writes
other values into the file, and `refuse_unsafe` keeps those values off addresses that are not loopback.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from activitypub import keys
from activitypub.errors import Malformed

MIB = 1024 * 1024
_SECTION = re.compile(r"^\s*\[(?P<name>[^\]]*)\]")


class ConfigError(Exception):
    """The settings cannot be used. `str(error)` says which one and what to write instead."""


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class NodeSection(Struct, frozen=True):
    domain: str
    """Host name, with port if it is not the default one, under which peers and people know this node. Never changes."""
    department: str
    """Name of the department, as people read it."""
    title: str = ""
    """Name of the node in clients. Default: the department."""
    description: str = ""
    """One or two sentences for the sign-in page and for clients."""
    contact_email: str = ""
    contact_account: str = ""
    """User name of whom people write to; everybody may see this profile."""
    scheme: Literal["https", "http"] = "https"
    """http is for loopback only."""
    languages: tuple[str, ...] = ("en",)


class ServerSection(Struct, frozen=True):
    host: str = "127.0.0.1"
    port: int = 8000
    processes: int = 1
    """More than 1 needs PostgreSQL."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    max_body_bytes: int = MIB
    """Largest request body, uploads aside."""
    shutdown_seconds: float = 10.0
    """How long requests that run may finish at a stop."""


class DatabaseSection(Struct, frozen=True):
    url: str = "sqlite:///corridor.db"
    """A relative SQLite path is relative to the settings file."""
    readers: int = 4
    """Reader threads (SQLite)."""
    pool: int = 8
    """Connections for reading, beside the one that writes (PostgreSQL)."""


class FederationSection(Struct, frozen=True):
    mode: Literal["roster", "allowlist", "open", "off"] = "roster"
    """Who is a peer: whoever is on the company's roster, whoever `allowlist` names, anybody, or nobody."""
    allowlist: tuple[str, ...] = ()
    """host[:port] of peers (mode "allowlist")."""
    allow_loopback: bool = False
    """Peers on loopback addresses: all, or only those in private_peers when that lists any."""
    private_peers: tuple[str, ...] = ()
    """host:port (or host:*) of peers whose addresses are not global. Every other such address is refused."""
    authorized_fetch: bool = True
    """Every ActivityPub GET must be signed, but that of the node's own actor."""
    signature: Literal["auto", "cavage", "rfc9421"] = "auto"
    """Flavour to sign with; "auto" remembers what each peer takes."""
    timeout_seconds: float = 15.0
    """For one request to a peer, from DNS to the last byte."""
    connections_per_peer: int = 4
    delivery_days: float = 7.0
    """How long an undelivered activity is tried."""
    workers: int = 20
    """Peers that are sent to at the same time."""
    max_document_bytes: int = MIB
    fetch_depth: int = 20
    """Parents that are fetched for one reply at the most."""
    inbox_limit_per_peer: int = 20_000
    """Activities of one peer that may wait; beyond, it is told to come back later (503)."""
    refetch_seconds: float = 86_400.0
    """Age at which a remote profile is read again when it is used."""
    spread: Literal["company", "subscribed"] = "company"
    """Public posts go to every chosen peer, or only to those with followers and those that follow one of the tags."""
    history_days: float = 90.0
    """How far back a peer's public posts are read when it is new here; 0 reads none."""


class CompanySection(Struct, frozen=True):
    """Mode "roster"."""

    key: str = ""
    """The company's public key, "z6Mk…": only rosters signed with it, or with a key it named, are believed. `corridor join`
    writes it."""
    removed_content: Literal["keep", "remove"] = "keep"
    """What happens to posts of people whose node was taken off the roster."""


class AccessSection(Struct, frozen=True):
    anonymous: Literal["none", "read"] = "none"
    """What a visitor without an account sees: nothing, or this department's company-wide public posts."""


class AccountsSection(Struct, frozen=True):
    registration: Literal["closed", "invite", "open"] = "closed"
    default_local_only: bool = False
    """New people post to the department unless they say otherwise."""
    password_min_length: int = 10


class GroupsSection(Struct, frozen=True):
    create: Literal["everybody", "administrators"] = "everybody"
    """Who may make groups of this department."""


class PostsSection(Struct, frozen=True):
    max_characters: int = 5000
    max_media: int = 16
    edits_kept: int = 100


class MediaSection(Struct, frozen=True):
    directory: str = "media"
    """Relative to the settings file."""
    max_bytes: int = 16 * MIB
    max_pixels: int = 33_177_600
    max_side: int = 3840
    seconds: float = 20.0
    """For decoding one image."""
    ffmpeg: str = "ffmpeg"
    """Program that reads sound and film, with ffprobe beside it. Where there is none, or this is empty, none are taken."""
    video_max_bytes: int = 96 * MIB
    video_max_seconds: float = 300.0
    """How long sound and film may play."""
    video_seconds: float = 240.0
    """For making one anew, which takes one to ten seconds for ten seconds of film."""

    @property
    def largest(self) -> int:
        """Bytes of the largest upload of any kind."""
        return max(self.max_bytes, self.video_max_bytes)


class LimitsSection(Struct, frozen=True):
    """Requests in a window of five minutes; 0 is off."""

    per_account: int = 1500
    per_address: int = 7500
    sign_in_per_address: int = 30
    posts_per_account: int = 300
    media_per_account: int = 100
    apps_per_address: int = 50
    inbox_per_peer: int = 0
    streams_per_account: int = 30


class MailSection(Struct, frozen=True):
    transport: Literal["none", "file", "smtp"] = "none"
    file: str = "mail.txt"
    """Where transport "file" appends; relative to the settings file."""
    url: str = ""
    """smtp://user:password@host:port (transport "smtp")."""
    sender: str = ""


class MetricsSection(Struct, frozen=True):
    allow: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses or networks that may read /metrics."""


class LogSection(Struct, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


class RetentionSection(Struct, frozen=True):
    """Days that are kept; 0 keeps for ever."""

    processed_inbox_days: float = 14.0
    """Ids of processed activities, so that none is taken twice. Signatures are void after 12 hours."""
    event_hours: float = 24.0
    """How long a stream can look back."""
    unattached_media_hours: float = 24.0
    idempotency_hours: float = 24.0


class Settings(Struct, frozen=True):
    node: NodeSection
    server: ServerSection = ServerSection()
    database: DatabaseSection = DatabaseSection()
    federation: FederationSection = FederationSection()
    company: CompanySection = CompanySection()
    access: AccessSection = AccessSection()
    accounts: AccountsSection = AccountsSection()
    groups: GroupsSection = GroupsSection()
    posts: PostsSection = PostsSection()
    media: MediaSection = MediaSection()
    limits: LimitsSection = LimitsSection()
    mail: MailSection = MailSection()
    metrics: MetricsSection = MetricsSection()
    log: LogSection = LogSection()
    retention: RetentionSection = RetentionSection()
    home: Path = Path()
    """Folder of the settings file; not a setting."""

    @property
    def base(self) -> str:
        """`https://domain`, without a slash at the end."""
        return f"{self.node.scheme}://{self.node.domain}"

    @property
    def title(self) -> str:
        return self.node.title or self.node.department

    @property
    def media_dir(self) -> Path:
        return self.home / self.media.directory

    @property
    def database_url(self) -> str:
        """The URL with a relative SQLite path made absolute."""
        url = self.database.url
        if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
            return f"sqlite:///{(self.home / url.removeprefix('sqlite:///')).resolve()}"
        return url

    @property
    def is_sqlite(self) -> bool:
        return self.database.url.startswith("sqlite")


SECTIONS: dict[str, type[Struct]] = {
    name: kind for name, kind in Settings.__annotations__.items() if isinstance(kind, type) and issubclass(kind, Struct)
}


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file, lay the environment over it, check the result. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            raw: dict[str, Any] = tomllib.load(file)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file. `corridor init` writes one.") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    raw.pop("home", None)
    _override(raw, environ)
    return parse(raw, home=path.resolve().parent)


def parse(raw: dict[str, Any], *, home: Path) -> Settings:
    """Settings from a dict of sections. Raises ConfigError that names the value."""
    try:
        settings = msgspec.convert(raw, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"settings: {error}") from error
    settings = msgspec.structs.replace(settings, home=home)
    _check(settings)
    return settings


def _override(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    for name, value in sorted(environ.items()):
        if not name.startswith("CORRIDOR_") or "__" not in name:
            continue
        section, key = name.removeprefix("CORRIDOR_").lower().split("__", 1)
        if section not in SECTIONS or key not in SECTIONS[section].__struct_fields__:
            raise ConfigError(f"{name}: there is no setting {section}.{key}")
        raw.setdefault(section, {})[key] = _value(name, value)


def _value(name: str, value: str) -> Any:
    if not value.lstrip().startswith("["):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise ConfigError(f'{name}: a list is written as JSON, like \'["a", "b"]\': {error}') from error


def _check(settings: Settings) -> None:
    domain = settings.node.domain
    host, _, port = domain.partition(":")
    if not host or domain != domain.lower() or any(c in domain for c in "/@ \\?#") or (port and not port.isdigit()):
        raise ConfigError(f"node.domain: {domain!r} is not host or host:port in lower case")
    if not settings.node.department.strip():
        raise ConfigError("node.department: a name is needed")
    url = settings.database.url
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ConfigError("database.url: sqlite:///file or postgresql+psycopg://user:password@host/name")
    if settings.company.key:
        try:
            keys.from_multibase(settings.company.key)
        except Malformed as error:
            raise ConfigError(f"company.key: {error}; `corridor join` writes the right one") from error
    if settings.server.processes > 1 and settings.is_sqlite:
        raise ConfigError("server.processes: more than 1 needs PostgreSQL (one process owns a SQLite file)")
    positive = {
        "server.max_body_bytes": settings.server.max_body_bytes,
        "server.processes": settings.server.processes,
        "database.readers": settings.database.readers,
        "database.pool": settings.database.pool,
        "federation.timeout_seconds": settings.federation.timeout_seconds,
        "federation.workers": settings.federation.workers,
        "posts.max_characters": settings.posts.max_characters,
        "media.max_bytes": settings.media.max_bytes,
    }
    for name, number in positive.items():
        if number <= 0:
            raise ConfigError(f"{name}: must be above 0")


def with_value(text: str, section: str, name: str, value: str) -> str:
    """TOML with one text value set: where it stands, else under its section's heading, else in a new section."""
    line = f"{name} = {msgspec.json.encode(value).decode()}"
    stands = re.compile(rf"^\s*{re.escape(name)}\s*=")
    lines, current, heading = text.splitlines(), "", None
    for number, found in enumerate(lines):
        if match := _SECTION.match(found):
            current = match["name"].strip()
            heading = number if current == section else heading
        elif current == section and stands.match(found):
            lines[number] = line
            return "\n".join(lines) + "\n"
    if heading is not None:
        lines.insert(heading + 1, line)
    else:
        lines += ["", f"[{section}]", line]
    return "\n".join(lines) + "\n"


def refuse_unsafe(settings: Settings, host: str) -> None:
    """Raise ConfigError if settings that are only fit for one machine would be served on another address than loopback."""
    if is_loopback(host):
        return
    unsafe = {
        'node.scheme = "http"': settings.node.scheme == "http",
        'federation.mode = "open"': settings.federation.mode == "open",
        "federation.allow_loopback = true": settings.federation.allow_loopback,
        'accounts.registration = "open"': settings.accounts.registration == "open",
        'mail.transport = "file"': settings.mail.transport == "file",
    }
    found = [name for name, is_set in unsafe.items() if is_set]
    if found:
        raise ConfigError(f"refusing to serve on {host} with {', '.join(found)}: these are for loopback addresses only")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
