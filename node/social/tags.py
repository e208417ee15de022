"""Following a tag."""

from typing import Any

from sqlalchemy import Select, delete, select

from node import db, tags
from node.accounts.lookup import me
from node.errors import Invalid
from node.paging import Page
from node.runtime import Tx
from node.schema import tag, tag_follow


def follow_tag(tx: Tx, name: str) -> int:
    """Follow a tag, which need not have been used yet. Returns its id. Invalid for what is no tag."""
    found = tags.ensure(tx, [name])
    if not found:
        raise Invalid("is not a tag", "name")
    tag_id = next(iter(found.values()))
    row = {"account_id": me(tx), "tag_id": tag_id, "created_at": tx.now}
    tx.execute(db.insert_or_ignore(tx.dialect, tag_follow, ["account_id", "tag_id"]), row)
    tx.outgoing.tag_follows_changed(tx, tag_id)
    return tag_id


def unfollow_tag(tx: Tx, name: str) -> None:
    """Idempotent. NotFound for a tag that nobody ever used or followed."""
    tag_id = tags.get(tx, name).id
    tx.execute(delete(tag_follow).where(tag_follow.c.account_id == me(tx), tag_follow.c.tag_id == tag_id))
    tx.outgoing.tag_follows_changed(tx, tag_id)


def followed_tags(tx: Tx, page: Page) -> list[int]:
    """Ids of the tags that the viewer follows, by which they are paged as well: the last made first."""
    statement: Select[Any] = select(tag.c.id).join(tag_follow, tag_follow.c.tag_id == tag.c.id)
    statement = page.apply(statement.where(tag_follow.c.account_id == me(tx)), tag.c.id)
    return page.newest_first(tx.scalars(statement))
