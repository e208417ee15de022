"""Posts that are published later: kept with everything that belongs to them, published by a job when their time has come.

Clients keep drafts as posts of a far future, so that any time to come is taken. A post is checked when it is written and
again when it is published, by the same rules; what cannot be published then (what it answers is gone, its author is
suspended) stays in the list with the reason, and can be given another time: nothing that was written is lost.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, delete, func, insert, select, update

from node import media, posts, sight, viewer
from node.accounts.finding import acct
from node.accounts.lookup import me
from node.drafts import Draft, Reading
from node.errors import Invalid, NodeError, NotFound
from node.paging import Page
from node.runtime import Node, Tx
from node.schema import account, job, login, scheduled_post
from node.schema.meta import Id

JOB = "post.scheduled"
"""Payload `{"id": int}`."""
LEAD_MS = 300_000
MAX_SCHEDULED = 300
MAX_A_DAY = 25
"""All three as in Mastodon; the last does not count what is more than a year away, for those are drafts."""
DAY_MS = 86_400_000
YEAR_MS = 366 * DAY_MS

_OF = bindparam("of", type_=Id)
_ID = bindparam("scheduled", type_=Id)
_MINE = select(scheduled_post).where(scheduled_post.c.account_id == _OF)
_ONE = _MINE.where(scheduled_post.c.id == _ID)
_BY_KEY = select(scheduled_post.c.id).where(
    scheduled_post.c.account_id == _OF, scheduled_post.c.idempotency_key == bindparam("key")
)
_COUNT = select(func.count()).select_from(scheduled_post).where(scheduled_post.c.account_id == _OF)
_COUNT_DAY = _COUNT.where(
    scheduled_post.c.scheduled_at >= bindparam("day", type_=Id),
    scheduled_post.c.scheduled_at < bindparam("next_day", type_=Id),
)
_INSERT = insert(scheduled_post)
_MOVE = (
    update(scheduled_post)
    .where(scheduled_post.c.id == _ID)
    .values(scheduled_at=bindparam("at", type_=Id), failed_at=None, last_error=None)
)
_FAILED = (
    update(scheduled_post)
    .where(scheduled_post.c.id == _ID)
    .values(failed_at=bindparam("at", type_=Id), last_error=bindparam("error"))
)
_DOUBT = (
    update(scheduled_post)
    .where(
        scheduled_post.c.scheduled_at >= bindparam("since", type_=Id),
        scheduled_post.c.scheduled_at <= bindparam("until", type_=Id),
        scheduled_post.c.failed_at.is_(None),
    )
    .values(failed_at=bindparam("at", type_=Id), last_error=bindparam("error"))
)
_DOUBTFUL = "The server was brought back from a backup: this may have been published already"
_DELETE = delete(scheduled_post).where(scheduled_post.c.id == _ID)
_DROP_JOB = delete(job).where(job.c.dedupe == bindparam("key"))
_DUE = (
    select(scheduled_post, login.c.roles)
    .join(login, login.c.account_id == scheduled_post.c.account_id)
    .where(
        scheduled_post.c.id == _ID,
        scheduled_post.c.failed_at.is_(None),
        scheduled_post.c.scheduled_at <= bindparam("now", type_=Id),
    )
)
_LINES = (
    select(scheduled_post, account.c.username, account.c.domain)
    .join(account, account.c.id == scheduled_post.c.account_id)
    .where(scheduled_post.c.id > bindparam("after", type_=Id))
    .order_by(scheduled_post.c.id)
    .limit(500)
)


def schedule(tx: Tx, draft: Draft, at: int, reading: Reading | None = None) -> int:
    """Keep a post of the acting person for `at` (ms). A repeated idempotency key answers the first one.

    Raises what `posts.publish` would, and Invalid for a time that is not `LEAD_MS` ahead and for one too many.
    """
    author_id = me(tx)
    key = None if draft.idempotency_key is None else hashlib.sha256(draft.idempotency_key.encode()).hexdigest()
    if key is not None and (known := tx.scalar(_BY_KEY, {"of": author_id, "key": key})) is not None:
        return int(known)
    _check_time(tx, author_id, at)
    if tx.scalar(_COUNT, {"of": author_id}) >= MAX_SCHEDULED:
        raise Invalid(f"Validation failed: You have exceeded the limit of {MAX_SCHEDULED} scheduled posts")
    posts.check(tx, draft, reading)
    scheduled_id = tx.new_id()
    row = {
        "id": scheduled_id,
        "account_id": author_id,
        "draft": msgspec.to_builtins(draft),
        "scheduled_at": at,
        "idempotency_key": key,
        "created_at": tx.now,
    }
    tx.execute(_INSERT, row)
    media.reserve(tx, scheduled_id, draft.media_ids)
    _enqueue(tx, scheduled_id, at)
    return scheduled_id


def own(tx: Tx, page: Page) -> Sequence[Row[Any]]:
    """The viewer's scheduled posts, as rows of `scheduled_post`, who was written last first."""
    statement = sight.paged(_MINE, scheduled_post.c.id, page.min_id is not None)
    return page.newest_first(tx.rows(statement, {"of": me(tx), **sight.page_values(page)}))


def get(tx: Tx, scheduled_id: int) -> Row[Any]:
    """One of the viewer's own; NotFound otherwise."""
    row = tx.first(_ONE, {"of": me(tx), "scheduled": scheduled_id})
    if row is None:
        raise NotFound
    return row


def draft_of(row: Row[Any]) -> Draft:
    return msgspec.convert(row.draft, Draft)


def move(tx: Tx, scheduled_id: int, at: int) -> None:
    """Publish it at another time (ms), also if it failed before. Raises as `get` and `schedule` do."""
    row = get(tx, scheduled_id)
    if at == row.scheduled_at and row.failed_at is None:
        return
    _check_time(tx, row.account_id, at)
    tx.execute(_DROP_JOB, {"key": _job_key(row.id, row.scheduled_at)})
    tx.execute(_MOVE, {"scheduled": row.id, "at": at})
    _enqueue(tx, row.id, at)


def cancel(tx: Tx, scheduled_id: int) -> None:
    """Its pictures may be attached to another post; housekeeping removes them otherwise."""
    row = get(tx, scheduled_id)
    tx.execute(_DROP_JOB, {"key": _job_key(row.id, row.scheduled_at)})
    media.release(tx, row.id)
    tx.execute(_DELETE, {"scheduled": row.id})


async def publish(node: Node, scheduled_id: int) -> None:
    """Publish what is due, as its author. Whatever the rules say against it is kept with it; what may pass is raised."""
    row = await node.read(_due, scheduled_id)
    if row is None:
        return  # cancelled, moved, or published by somebody else
    author = viewer.person(row.account_id, roles=frozenset(row.roles))
    try:
        await node.write_as(author, _publish, scheduled_id)
    except NodeError as error:
        if error.retry:
            raise
        failed = {"scheduled": scheduled_id, "at": node.now(), "error": str(error) or "This is not allowed"}
        await node.write(lambda tx: tx.execute(_FAILED, failed))


def doubt(tx: Tx, since: int, until: int) -> int:
    """This database is a backup of `since` that was brought back at `until` (ms): what was due meanwhile may be out already,
    with peers, so it waits for its author's word. Answers how many."""
    said = {"since": since, "until": until, "at": tx.now, "error": _DOUBTFUL}
    return tx.execute(_DOUBT, said).rowcount


def lines(tx: Tx, after: int) -> tuple[list[dict[str, Any]], int, set[str]]:
    """A page of `scheduled.jsonl` (see node.exporting)."""
    rows = tx.rows(_LINES, {"after": after})
    pictures = media.reserved(tx, [row.id for row in rows])
    files = {one.id: one.file for kept in pictures.values() for one in kept}
    made = []
    for row in rows:
        draft = draft_of(row)
        line = msgspec.to_builtins(draft) | {"media": [files[id_] for id_ in draft.media_ids if id_ in files]}
        for name in ("media_ids", "idempotency_key", "app_id"):
            del line[name]
        made.append({"author": acct(row), "scheduled_at": row.scheduled_at, **line})
    return made, rows[-1].id if rows else after, set(files.values())


def _publish(tx: Tx, scheduled_id: int) -> None:
    """In one transaction: it is published and is no longer scheduled, or neither."""
    row = _due(tx, scheduled_id)
    if row is None:
        return
    media.release(tx, row.id)
    posts.publish(tx, draft_of(row))
    tx.execute(_DELETE, {"scheduled": row.id})


def _due(tx: Tx, scheduled_id: int) -> Row[Any] | None:
    return tx.first(_DUE, {"scheduled": scheduled_id, "now": tx.now})


def _check_time(tx: Tx, author_id: int, at: int) -> None:
    if at < tx.now + LEAD_MS:
        raise Invalid("Validation failed: Scheduled at The scheduled date must be in the future", "scheduled_at")
    day = at - at % DAY_MS
    if at < tx.now + YEAR_MS and (
        tx.scalar(_COUNT_DAY, {"of": author_id, "day": day, "next_day": day + DAY_MS}) >= MAX_A_DAY
    ):
        raise Invalid(f"Validation failed: You have exceeded the limit of {MAX_A_DAY} scheduled posts for today")


def _enqueue(tx: Tx, scheduled_id: int, at: int) -> None:
    tx.enqueue(JOB, {"id": scheduled_id}, at=at, dedupe=_job_key(scheduled_id, at))


def _job_key(scheduled_id: int, at: int) -> str:
    """With the time: a job that runs while the post is moved ends without a trace, and takes the new one nowhere."""
    return f"{JOB}:{scheduled_id}:{at}"
