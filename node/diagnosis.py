"""What the database of a node tells its doctor: keys, integrity, the clock, the search index, queues, backups.

Every check is a rule that reads; `repair` is the one that writes. See doctor.py for what findings are.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, TextClause, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from activitypub import keys
from activitypub.errors import Malformed
from node import accounts, backup, keyring, plans, search
from node.doctor import Finding, fault, ok, warn
from node.errors import NodeError, NotFound
from node.html import to_text
from node.ids import PostId, millis_of
from node.runtime import Node, Tx
from node.schema import account, account_key, audit_entry, delivery, event, inbox_item, job, meta, peer, post
from node.secrets import SecretError
from node.tokens import index_tokens

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CLOCK_SLACK = 2_000
"""How far ahead of the clock the newest thing may be, ms: two processes, rounding."""
DATABASE_CLOCK_SLACK = 60_000
LATE = 10 * MINUTE
BACKUP_DAYS = 7
CHUNK = 500
LISTED = 5

Check = Callable[[Tx], Iterable[Finding]]

_KEYS = (
    select(account_key.c.id, account_key.c.iri, account_key.c.private)
    .where(account_key.c.private.is_not(None), account_key.c.revoked_at.is_(None))
    .order_by(account_key.c.id)
)
_OWN_KEYS = select(account_key).where(account_key.c.private.is_not(None), account_key.c.revoked_at.is_(None))
_MISSING: dict[str, TextClause] = {
    dialect: text(
        "SELECT id, text, content, spoiler FROM post WHERE boost_of_id IS NULL AND id > :after AND id NOT IN "
        f"(SELECT {column} FROM {table}) ORDER BY id LIMIT {CHUNK}"
    )
    for dialect, column, table in (("sqlite", "id", "post_search_docsize"), ("postgresql", "post_id", "post_search"))
}
_LEFT_OVER: dict[str, TextClause] = {
    "sqlite": text("SELECT count(*) FROM post_search_docsize WHERE id NOT IN (SELECT id FROM post)"),
    "postgresql": text("SELECT count(*) FROM post_search WHERE post_id NOT IN (SELECT id FROM post)"),
}
_PEOPLE_MISSING: dict[str, TextClause] = {
    dialect: text(
        "SELECT count(*) FROM account WHERE domain IS NULL AND gone_at IS NULL AND actor_type <> 'Application' "
        f"AND id NOT IN (SELECT {column} FROM {table})"
    )
    for dialect, column, table in (
        ("sqlite", "id", "account_search_docsize"),
        ("postgresql", "account_id", "account_search"),
    )
}


async def examine(node: Node, *, also: Sequence[Check] = ()) -> list[Finding]:
    """Every check, one after the other, and then those of others."""
    return [finding for check in (*CHECKS, *also) for finding in await _findings(node, check)]


async def _findings(node: Node, check: Check) -> list[Finding]:
    try:
        return await node.read(lambda tx: list(check(tx)))
    except (SQLAlchemyError, NodeError) as error:
        if is_damage(error):
            return [damaged(str(getattr(error, "orig", error)))]
        name = check.__name__.strip("_")
        return [fault(name, f"the database cannot be read: {getattr(error, 'orig', error)}", "restore the last backup")]


def _identity(tx: Tx) -> Iterator[Finding]:
    """The node's own actor, and that its keys open and belong together."""
    try:
        actor = accounts.node_actor(tx)
    except NotFound:
        former = tx.scalar(
            select(account.c.iri).where(account.c.actor_type == "Application", account.c.domain.is_(None))
        )
        if former is None:
            yield fault("identity", "the node has no actor of its own yet", "run `corridor migrate`")
        else:
            advice = "set node.domain and node.scheme back to what they were: addresses never change"
            yield fault("identity", f"the database belongs to {former}, not to {tx.settings.base}", advice)
        return
    rows = tx.rows(_OWN_KEYS.where(account_key.c.account_id == actor.id))
    if not {row.kind for row in rows} >= set(keyring.FRAGMENTS):
        yield fault("identity", "the node's own actor lacks keys", "run `corridor migrate`")
    elif problem := next((problem for row in rows if (problem := _unfit(tx, row))), None):
        yield fault("identity", problem, "bring secret.key back from the backup that belongs to this database")
    else:
        yield ok("identity", f"{actor.iri} can sign")


def _unfit(tx: Tx, row: Row[Any]) -> str | None:
    """Why this key cannot sign, None if it can."""
    try:
        opened = keyring.opened(tx.node.vault, row.iri, row.private).private.public_key()
        public = keys.public_from_pem(row.public) if row.kind == keyring.RSA else keys.from_multibase(row.public)
    except (SecretError, Malformed, ValueError) as error:
        return f"{row.iri}: {error}"
    return None if keys.to_pem(opened) == keys.to_pem(public) else f"{row.iri}: private and public half do not match"


def _keys(tx: Tx) -> Iterator[Finding]:
    """Whether the secret opens every stored private key."""
    closed: list[str] = []
    number, after = 0, 0
    while rows := tx.rows(_KEYS.where(account_key.c.id > after).limit(CHUNK)):
        closed += [row.iri for row in rows if not _opens(tx, row)]
        number, after = number + len(rows), rows[-1].id
    if closed:
        advice = "bring secret.key back from the backup that belongs to this database: nothing can be signed without it"
        yield fault("keys", f"secret.key opens {number - len(closed)} of {number} keys, not {_some(closed)}", advice)
    else:
        yield ok("keys", f"secret.key opens all {number} private keys")


def _opens(tx: Tx, row: Row[Any]) -> bool:
    try:
        keyring.unsealed(tx.node.vault, row.iri, row.private)
    except (SecretError, ValueError):
        return False
    return True


def _integrity(tx: Tx) -> Iterator[Finding]:
    if tx.dialect != "sqlite":
        yield ok("integrity", "PostgreSQL answers, and looks after its own pages")
        return
    damage = [str(found) for found in tx.scalars(text("PRAGMA quick_check(10)")) if found != "ok"]
    if damage:
        yield damaged(damage[0])
        return
    loose = tx.rows(text("PRAGMA foreign_key_check"))
    if loose:
        tables = _some(sorted({str(row[0]) for row in loose}))
        yield fault("integrity", f"{len(loose)} rows point at nothing, in {tables}", "restore the last backup")
    else:
        yield ok("integrity", "the database file is sound")


def is_damage(error: Exception) -> bool:
    """Whether SQLite says that the file is not as it wrote it: that, alone, is no subclass of its error."""
    return type(getattr(error, "orig", None)) is sqlite3.DatabaseError


def damaged(what: str) -> Finding:
    return fault("integrity", f"the database file is damaged: {what}", "stop the node, restore the last backup")


def _clock(tx: Tx) -> Iterator[Finding]:
    """A clock that stands behind what was already written gives ids that sort before older posts."""
    newest = tx.scalar(select(func.max(post.c.id)))
    times = {
        "the newest post": None if newest is None else int(millis_of(newest)),
        "the newest event": tx.scalar(select(func.max(event.c.at))),
        "the newest line of the audit log": tx.scalar(select(func.max(audit_entry.c.at))),
        "the node's own actor": tx.scalar(select(account.c.created_at).where(account.c.iri == tx.urls.node_actor)),
    }
    what, at = max(((name, at or 0) for name, at in times.items()), key=lambda found: found[1])
    if at > tx.now + CLOCK_SLACK:
        advice = "set the clock (timedatectl set-ntp true); peers refuse what is signed with a wrong one"
        yield fault("clock", f"the clock is {span(at - tx.now)} behind {what}", advice)
    elif (off := _database_clock(tx)) is not None and abs(off) > DATABASE_CLOCK_SLACK:
        message = f"this machine and PostgreSQL's differ by {span(abs(off))}"
        yield fault("clock", message, "set both clocks (timedatectl set-ntp true)")
    else:
        yield ok("clock", "not behind anything that was written; `corridor peers test` compares it with a peer's")


def _database_clock(tx: Tx) -> int | None:
    """PostgreSQL's clock less ours, ms."""
    if tx.dialect == "sqlite":
        return None
    return int(tx.scalar(text("SELECT extract(epoch FROM clock_timestamp()) * 1000"))) - tx.now


def _search(tx: Tx) -> Iterator[Finding]:
    missing = sum(len(found) for found in _not_indexed(tx))
    left_over = tx.scalar(_LEFT_OVER[tx.dialect])
    people = tx.scalar(_PEOPLE_MISSING[tx.dialect])
    if missing or left_over or people:
        message = f"search misses {missing} posts and {people} people, and knows {left_over} posts that are gone"
        yield warn("search", message, "run `corridor doctor --repair`")
    else:
        yield ok("search", "every post and everybody of this node can be found")


def _not_indexed(tx: Tx) -> Iterator[list[tuple[PostId, str]]]:
    """Posts that search should find and does not, with their text. What holds no words needs no entry."""
    after = 0
    while rows := tx.rows(_MISSING[tx.dialect], {"after": after}):
        after = rows[-1].id
        texts = [(PostId(row.id), "\n".join((row.spoiler, _written(row)))) for row in rows]
        yield [(post_id, plain) for post_id, plain in texts if index_tokens(plain)]


def _written(row: Row[Any]) -> str:
    """Of an event, title and place as well, which are in its content alone."""
    return str(row.text) if row.text and not plans.is_dressed(row.content) else to_text(row.content)


async def repair(node: Node) -> int:
    """Make the posts and the people findable that are not; how many posts."""
    missing = [found for chunk in await node.read(lambda tx: list(_not_indexed(tx))) for found in chunk]
    for start in range(0, len(missing), CHUNK):
        await node.write(_index, missing[start : start + CHUNK])
    await node.write(_drop_left_over)
    last: int | None = 0 if await node.read(lambda tx: tx.scalar(_PEOPLE_MISSING[tx.dialect])) else None
    while last is not None:
        last = await node.write(accounts.index_next, last)
    return len(missing)


def _index(tx: Tx, posts: Sequence[tuple[PostId, str]]) -> None:
    search.remove(tx, [post_id for post_id, _ in posts])
    search.index_all(tx, posts)


def _drop_left_over(tx: Tx) -> None:
    column, table = ("id", "post_search_docsize") if tx.dialect == "sqlite" else ("post_id", "post_search")
    ids = tx.scalars(text(f"SELECT {column} FROM {table} WHERE {column} NOT IN (SELECT id FROM post)"))
    search.remove(tx, ids)


def _queues(tx: Tx) -> Iterator[Finding]:
    waiting = {
        "activities that came in": tx.scalar(
            select(func.min(inbox_item.c.next_at)).where(inbox_item.c.next_at.is_not(None))
        ),
        "jobs": tx.scalar(select(func.min(job.c.run_at)).where(job.c.failed_at.is_(None))),
    }
    late = {name: tx.now - at for name, at in waiting.items() if at is not None and tx.now - at > LATE}
    for name, age in late.items():
        yield warn("queues", f"{name} wait for {span(age)}", "is the node running, and its worker? See its log")
    failed = tx.scalar(select(func.count()).select_from(job).where(job.c.failed_at.is_not(None)))
    if failed:
        error = tx.scalar(
            select(job.c.last_error).where(job.c.failed_at.is_not(None)).order_by(job.c.id.desc()).limit(1)
        )
        yield warn("queues", f"{failed} jobs were given up; the last: {error}", "see the log")
    if not late and not failed:
        yield ok("queues", "nothing waits too long")


def _deliveries(tx: Tx) -> Iterator[Finding]:
    held = tx.rows(
        select(peer.c.domain, peer.c.last_error)
        .where(peer.c.state == "active", peer.c.failures > 0, peer.c.next_attempt_at.is_not(None))
        .order_by(peer.c.domain)
    )
    if held:
        advice = f"`corridor peers test {held[0].domain}` says why; deliveries wait and are tried again"
        message = f"held back for {_some([row.domain for row in held])}; last error: {held[0].last_error}"
        yield warn("deliveries", message, advice)
    aside = tx.scalar(select(func.count()).select_from(delivery).where(delivery.c.set_aside_at.is_not(None)))
    if aside:
        yield warn("deliveries", f"{aside} were given up", "`corridor peers list` shows for whom")
    oldest = tx.scalar(
        select(func.min(delivery.c.next_at))
        .join(peer, peer.c.id == delivery.c.peer_id)
        .where(delivery.c.set_aside_at.is_(None), peer.c.state == "active", peer.c.next_attempt_at.is_(None))
    )
    stuck = oldest is not None and tx.now - oldest > LATE
    if stuck:
        message = f"due for {span(tx.now - oldest)}, and not sent"
        yield warn("deliveries", message, "is the node running, and its worker? See its log")
    if not held and not aside and not stuck:
        yield ok("deliveries", "nothing is held back")


def _backup(tx: Tx) -> Iterator[Finding]:
    found = tx.scalar(select(meta.c.value).where(meta.c.key == backup.LAST_BACKUP))
    at = int(found) if found is not None and found.isdigit() else None
    advice = "run `corridor backup FILE` every night and keep the file on another machine"
    if at is None:
        yield warn("backup", "there has never been one", advice)
    elif tx.now - at > BACKUP_DAYS * DAY:
        yield warn("backup", f"the last one is {span(tx.now - at)} old", advice)
    else:
        yield ok("backup", f"the last one is {span(max(0, tx.now - at))} old")


CHECKS: tuple[Check, ...] = (
    _identity,
    _keys,
    _integrity,
    _clock,
    _search,
    _queues,
    _deliveries,
    _backup,
)


def span(millis: int) -> str:
    """A length of time in words: "3 h 20 min"."""
    seconds = millis // 1000
    for unit, size, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"
