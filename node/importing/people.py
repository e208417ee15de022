"""Who is who in an import file: people of this node, people of peers, and those who are left out."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, or_, select

from node import accounts, db
from node.accounts.creation import MAX_USERNAME, RESERVED
from node.config import Settings
from node.importing.lines import MAX_NAME, BadLine, Line
from node.runtime import Node, Tx
from node.schema import account, login
from node.urls import Urls

CHUNK = 500
UNDELIVERABLE = "import.invalid"
"""Domain of the e-mail addresses of people who came with a file (RFC 2606: there is no such mail server)."""

_NAME = re.compile(r"[a-z0-9_]+(?:[.-]+[a-z0-9_]+)*")
_KNOWN = select(
    account.c.id, account.c.handle, account.c.iri, account.c.actor_type, account.c.gone_at, account.c.suspended_at
).where(
    or_(
        account.c.handle.in_(bindparam("handles", expanding=True)), account.c.iri.in_(bindparam("iris", expanding=True))
    )
)
_INSERT = insert(account)


@dataclass(frozen=True, slots=True)
class Person:
    """An account that takes part: of this node if `domain` is None."""

    account_id: int
    username: str
    domain: str | None


@dataclass(frozen=True)
class Selection:
    """Who is ours: authors of the departments `nodes`, all if there are none; `peers` maps departments to peers' hosts."""

    nodes: frozenset[str] = frozenset()
    peers: Mapping[str, str] = field(default_factory=dict)

    def place(self, label: str | None) -> str | None:
        """ "" for this node, the host of a peer, or None for people who are left out."""
        if label is not None and label in self.peers:
            return self.peers[label]
        return "" if not self.nodes or label in self.nodes else None


@dataclass
class Survey:
    """What the first reading tells: of each person the department and the first appearance (ms)."""

    departments: dict[str, str | None] = field(default_factory=dict)
    first_seen: dict[str, int] = field(default_factory=dict)
    lines: int = 0

    def note(self, line: Line) -> None:
        self.lines += 1
        self.departments.setdefault(line.author, line.node)
        for person in (line.author, *line.endorsers):
            if line.at < self.first_seen.get(person, line.at + 1):
                self.first_seen[person] = line.at

    def department(self, person: str) -> str | None:
        """As the person's posts say; of `name@host`, as an export writes people of peers, the host."""
        _, at, host = person.partition("@")
        return host if at else self.departments.get(person)


class Addresses:
    """URLs of this node and of its peers, which run the same software."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._urls = {"": Urls(settings)}

    def of(self, domain: str | None) -> Urls:
        found = self._urls.get(domain or "")
        if found is None:
            node = msgspec.structs.replace(self._settings.node, domain=domain)
            found = self._urls[domain or ""] = Urls(msgspec.structs.replace(self._settings, node=node))
        return found


def username(person: str) -> str:
    """The user name of a person in the file. Raises BadLine."""
    name = person.partition("@")[0].lower()
    if len(person) > MAX_NAME or len(name) > MAX_USERNAME or not _NAME.fullmatch(name) or name in RESERVED:
        raise BadLine(f"{person[:60]!r} cannot be a user name")
    return name


@dataclass
class Directory:
    """Everybody who takes part, by the id in the file; None for accounts that were deleted or suspended here."""

    people: dict[str, Person | None] = field(default_factory=dict)
    made: int = 0
    made_remote: int = 0

    def find(self, person: str) -> Person | None:
        return self.people.get(person)


async def settle(node: Node, survey: Survey, selection: Selection) -> Directory:
    """Find or make the accounts of everybody who takes part. An account that is there already keeps what it is."""
    directory = Directory()
    wanted = list(_wanted(survey, selection, node.settings.node.domain))
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        found, local, remote = await node.write(_accounts, chunk, Addresses(node.settings))
        directory.people |= found
        directory.made += local
        directory.made_remote += remote
    return directory


@dataclass(frozen=True, slots=True)
class _Wanted:
    person: str
    username: str
    domain: str | None
    since: int

    @property
    def handle(self) -> str:
        return f"{self.username}@{self.domain}" if self.domain else self.username


def _wanted(survey: Survey, selection: Selection, own: str) -> Iterable[_Wanted]:
    for person, since in survey.first_seen.items():
        label = survey.department(person)
        if "@" in person and label == own:
            place: str | None = ""
        elif "@" in person and label not in selection.peers:
            place = None  # of a node that nobody says is a peer of ours
        else:
            place = selection.place(label)
        if place is None:
            continue
        try:
            yield _Wanted(person, username(person), place or None, since)
        except BadLine:
            continue  # said when the lines of that person are read


def _accounts(tx: Tx, wanted: list[_Wanted], addresses: Addresses) -> tuple[dict[str, Person | None], int, int]:
    """(people by their id in the file, local accounts made, remote ones made)"""
    asked = {
        "handles": [one.handle for one in wanted],
        "iris": [addresses.of(one.domain).actor(one.username) for one in wanted],
    }
    rows = {key: row for row in tx.rows(_KNOWN, asked) for key in (row.handle, row.iri)}
    people: dict[str, Person | None] = {}
    new: dict[str, dict[str, Any]] = {}
    for one in wanted:
        known = rows.get(one.handle) or rows.get(addresses.of(one.domain).actor(one.username))
        if known is None:
            row = new.setdefault(one.handle, _row(tx, one, addresses.of(one.domain)))
            people[one.person] = Person(row["id"], one.username, one.domain)
        elif known.gone_at is not None or known.suspended_at is not None or known.iri == tx.urls.node_actor:
            people[one.person] = None
        elif known.actor_type == "Group":
            people[one.person] = None  # writes nothing itself
        else:
            people[one.person] = Person(known.id, one.username, one.domain)
    if new:
        tx.execute(_INSERT, list(new.values()))
        accounts.index(tx, [row["id"] for row in new.values()])
    local = [row for row in new.values() if row["domain"] is None]
    if local:
        tx.execute(db.insert_or_ignore(tx.dialect, login, ["email"]), [_login(tx, row) for row in local])
    return people, len(local), len(new) - len(local)


def _row(tx: Tx, one: _Wanted, urls: Urls) -> dict[str, Any]:
    since = min(one.since, tx.now)
    return {
        "id": tx.new_id(since),
        "username": one.username,
        "domain": one.domain,
        "handle": one.handle,
        "iri": urls.actor(one.username),
        "url": urls.profile(one.username),
        "inbox": urls.inbox(one.username),
        "shared_inbox": urls.shared_inbox,
        "outbox": urls.outbox(one.username),
        "followers_iri": urls.followers(one.username),
        "following_iri": urls.following(one.username),
        "featured_iri": urls.featured(one.username),
        "department": None if one.domain else tx.settings.node.department,
        "created_at": since,
        "updated_at": tx.now,
    }


def _login(tx: Tx, row: dict[str, Any]) -> dict[str, Any]:
    """So that the administration sees the person and can give them a password; until then nobody can sign in."""
    return {
        "account_id": row["id"],
        "email": f"{row['username']}@{UNDELIVERABLE}",
        "password_hash": "!",
        "roles": ["employee"],
        "default_local_only": tx.settings.accounts.default_local_only,
        "created_at": tx.now,
    }
