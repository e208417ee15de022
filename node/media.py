"""Images that people attach to posts, and pointers to those of remote posts.

Rows name files; the files themselves are written before a row is made and removed after one is gone, never inside a
transaction. A file that nothing needs any more waits in an unattached row, where housekeeping finds it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update

from activitypub.documents import Attachment
from node import db
from node.errors import Conflict, Forbidden, Invalid, NotFound
from node.imaging import Image
from node.runtime import Tx
from node.schema import media, post
from node.viewer import Kind

MAX_DESCRIPTION = 1500

_INSERT = insert(media)
_BY_ID = select(media).where(media.c.id == bindparam("id"))
_BY_IDS = select(media).where(db.among(media.c.id, "ids"))
_OF_POSTS = select(media).where(db.among(media.c.post_id, "posts")).order_by(media.c.post_id, media.c.position)
_ATTACH = (
    update(media)
    .where(media.c.id == bindparam("media"))
    .values(post_id=bindparam("to_post"), position=bindparam("at_position"))
)
_DETACH = (
    update(media)
    .where(media.c.post_id == bindparam("of"))
    .values(post_id=None, created_at=bindparam("since"), position=0)
)
_DELETE = delete(media).where(media.c.id == bindparam("media"))
_RESERVE = (
    update(media)
    .where(media.c.id == bindparam("media"))
    .values(scheduled_id=bindparam("to_scheduled"), position=bindparam("at_position"))
)
_RELEASE = (
    update(media)
    .where(media.c.scheduled_id == bindparam("of"))
    .values(scheduled_id=None, created_at=bindparam("since"), position=0)
)
_RESERVED = (
    select(media).where(db.among(media.c.scheduled_id, "scheduled")).order_by(media.c.scheduled_id, media.c.position)
)


def create(tx: Tx, image: Image, description: str = "", focus: tuple[float, float] = (0.0, 0.0)) -> int:
    """A new attachment of the viewer's, not yet of any post. Raises Invalid for a description that is too long."""
    owner = _owner(tx)
    if owner is None:
        raise Forbidden("This method requires an authenticated user")
    media_id = tx.new_id()
    x, y = checked_focus(focus)
    row = {
        "id": media_id,
        "account_id": owner,
        "kind": "image",  # an animated GIF too: clients play "gifv" as a video, which ours is not
        "content_type": image.content_type,
        "file": image.file,
        "preview": image.preview,
        "description": checked_description(description),
        "blurhash": image.blurhash,
        "width": image.width,
        "height": image.height,
        "preview_width": image.preview_width,
        "preview_height": image.preview_height,
        "focus_x": x,
        "focus_y": y,
        "created_at": tx.now,
    }
    tx.execute(_INSERT, row)
    return media_id


def get(tx: Tx, media_id: int) -> Row[Any]:
    """An attachment of the viewer's own; NotFound for anybody else's."""
    row = tx.first(_BY_ID, {"id": media_id})
    owner = _owner(tx)
    if row is None or (owner is not None and row.account_id != owner):
        raise NotFound
    return row


def update_details(
    tx: Tx, media_id: int, *, description: str | None = None, focus: tuple[float, float] | None = None
) -> None:
    """Change what is said about an own image; None leaves it. The post that shows it is rendered anew."""
    row = get(tx, media_id)
    values: dict[str, Any] = {}
    if description is not None:
        values["description"] = checked_description(description)
    if focus is not None:
        values["focus_x"], values["focus_y"] = checked_focus(focus)
    if not values:
        return
    tx.execute(update(media).where(media.c.id == media_id).values(**values))
    shown_anew(tx, row)


def shown_anew(tx: Tx, row: Row[Any]) -> None:
    """What is said about an attachment has changed: the post that shows it is rendered anew."""
    if row.post_id is not None:
        tx.execute(update(post).where(post.c.id == row.post_id).values(rev=post.c.rev + 1))


def remove(tx: Tx, media_id: int) -> list[str]:
    """Delete an own attachment that no post uses. Returns the names of its files, to be removed after the commit."""
    row = get(tx, media_id)
    if row.post_id is not None or row.scheduled_id is not None:
        raise Conflict("Media attachment is currently used by a status")
    tx.execute(_DELETE, {"media": media_id})
    return _files([row])


def attach(tx: Tx, post_id: int, media_ids: Sequence[int]) -> None:
    """Make exactly these, in this order, the attachments of a post.

    Each must be the viewer's and unattached or of this post already, else Invalid. Others of this post are detached and
    may be attached again until housekeeping removes them.
    """
    wanted = _checked(tx, media_ids, post_id)
    tx.execute(_DETACH, {"of": post_id, "since": tx.now})
    if wanted:
        tx.execute(_ATTACH, [{"media": id_, "to_post": post_id, "at_position": n} for n, id_ in enumerate(wanted)])


def reserve(tx: Tx, scheduled_id: int, media_ids: Sequence[int]) -> None:
    """Keep these, in this order, for a post that is to be published later. Raises Invalid as `attach` does."""
    wanted = _checked(tx, media_ids, None)
    if wanted:
        rows = [{"media": id_, "to_scheduled": scheduled_id, "at_position": n} for n, id_ in enumerate(wanted)]
        tx.execute(_RESERVE, rows)


def release(tx: Tx, scheduled_id: int) -> None:
    """What was kept for a scheduled post may be attached, and is housekeeping's if nobody does."""
    tx.execute(_RELEASE, {"of": scheduled_id, "since": tx.now})


def reserved(tx: Tx, scheduled_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """What is kept for scheduled posts, in order, by their ids."""
    found: dict[int, list[Row[Any]]] = {}
    if scheduled_ids:
        for row in tx.rows(_RESERVED, {"scheduled": list(scheduled_ids)}):
            found.setdefault(row.scheduled_id, []).append(row)
    return found


def store_remote(tx: Tx, post_id: int, author_id: int, attachments: Sequence[Attachment]) -> None:
    """Make these the attachments of a remote post. Those that are there already keep their ids."""
    existing = {row.remote_url: row.id for row in tx.rows(_OF_POSTS, {"posts": [post_id]})}
    wanted = {one.url: one for one in reversed(attachments)}  # of repeated addresses, the first
    gone = [{"media": id_} for url, id_ in existing.items() if url not in wanted]
    if gone:
        tx.execute(_DELETE, gone)
    new: list[dict[str, Any]] = []
    for position, one in enumerate(dict.fromkeys(one.url for one in attachments)):
        values = _remote_values(wanted[one]) | {"position": position}
        if one in existing:
            tx.execute(update(media).where(media.c.id == existing[one]).values(**values))
        else:
            owner = {"id": tx.new_id(), "account_id": author_id, "post_id": post_id, "created_at": tx.now}
            new.append(values | owner | {"remote_url": one})
    if new:
        tx.execute(_INSERT, new)


def of_posts(tx: Tx, post_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """Attachments in order, by post id; posts without any are not in it."""
    found: dict[int, list[Row[Any]]] = {}
    if post_ids:
        for row in tx.rows(_OF_POSTS, {"posts": list(post_ids)}):
            found.setdefault(row.post_id, []).append(row)
    return found


def retire(tx: Tx, account_id: int, names: Sequence[str]) -> None:
    """Files that nothing shows any more (a replaced avatar): housekeeping removes them with the unattached."""
    if names:
        tx.execute(_INSERT, [_retired(tx, account_id, name) for name in names])


def purge_unattached(tx: Tx, before: int, limit: int = 500) -> list[str]:
    """Delete rows of no post that are older than `before` (ms). Returns names of files, to be removed after the commit."""
    statement = (
        select(media.c.id, media.c.file, media.c.preview, media.c.upload)
        .where(media.c.post_id.is_(None), media.c.scheduled_id.is_(None), media.c.created_at < before)
        .order_by(media.c.created_at)
        .limit(limit)
    )
    rows = tx.rows(statement)
    if rows:
        tx.execute(_DELETE, [{"media": row.id} for row in rows])
    return _files(rows)


def files_in_use(tx: Tx, names: Iterable[str]) -> set[str]:
    """Those of the names that some row still points at."""
    wanted = list(names)
    if not wanted:
        return set()
    rows = tx.rows(
        select(media.c.file, media.c.preview, media.c.upload).where(
            or_(media.c.file.in_(wanted), media.c.preview.in_(wanted), media.c.upload.in_(wanted))
        )
    )
    return set(_files(rows)) & set(wanted)


def checked_description(description: str) -> str:
    if len(description) > MAX_DESCRIPTION:
        raise Invalid(f"is too long (maximum is {MAX_DESCRIPTION} characters)", "description")
    if "\x00" in description or not _encodable(description):
        raise Invalid("contains characters that cannot be stored", "description")
    return description.strip()


def checked_focus(focus: tuple[float, float]) -> tuple[float, float]:
    """From (-1, -1), bottom left, to (1, 1); what is beyond is moved to the edge. NaN is Invalid."""
    x, y = focus
    if x != x or y != y:
        raise Invalid("must be two numbers between -1 and 1", "focus")
    return min(max(x, -1.0), 1.0), min(max(y, -1.0), 1.0)


def _owner(tx: Tx) -> int | None:
    """Whose media the viewer may use; None for the node itself, which may use any."""
    if tx.viewer.kind is Kind.SYSTEM:
        return None
    if tx.viewer.account_id is None:
        raise Forbidden("This method requires an authenticated user")
    return tx.viewer.account_id


def _checked(tx: Tx, media_ids: Sequence[int], post_id: int | None) -> list[int]:
    """Ids of attachments that the viewer may give to a post. Raises Invalid."""
    limit = tx.settings.posts.max_media
    wanted = list(dict.fromkeys(media_ids))
    if len(wanted) > limit:
        raise Invalid(f"may have {limit} attachments", "media_ids")
    rows = tx.rows(_BY_IDS, {"ids": wanted}) if wanted else []
    owner = _owner(tx)
    if any(row.state == "processing" and row.account_id == owner for row in rows):
        raise Invalid("Cannot attach files that have not finished processing. Try again in a moment!", "media_ids")
    if len(rows) != len(wanted) or not all(_attachable(row, owner, post_id) for row in rows):
        raise Invalid("names an attachment that is not yours or is used by another post", "media_ids")
    return wanted


def _attachable(row: Row[Any], owner: int | None, post_id: int | None) -> bool:
    is_own = owner is None or row.account_id == owner
    is_free = row.post_id in (None, post_id) and row.scheduled_id is None
    return is_own and is_free and row.file is not None


def _remote_values(one: Attachment) -> dict[str, Any]:
    family = (one.media_type or "").partition("/")[0]
    x, y = checked_focus(one.focus or (0.0, 0.0))
    return {
        "kind": family if family in ("image", "video", "audio") else "unknown",
        "content_type": one.media_type or "application/octet-stream",
        "description": (one.description or "").replace("\x00", "")[:MAX_DESCRIPTION],
        "blurhash": one.blurhash,
        "width": one.width,
        "height": one.height,
        "focus_x": x,
        "focus_y": y,
    }


def _retired(tx: Tx, account_id: int, name: str) -> dict[str, Any]:
    return {
        "id": tx.new_id(),
        "account_id": account_id,
        "kind": "unknown",
        "content_type": "application/octet-stream",
        "file": name,
        "created_at": tx.now,
    }


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _files(rows: Iterable[Row[Any]]) -> list[str]:
    return [name for row in rows for name in (row.file, row.preview, row.upload) if name]
