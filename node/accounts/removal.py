"""Deleting an account for good.

The row stays, emptied, with `gone_at`, so that the name is never given to anybody else and no late activity revives it.
Everything is out of sight at once; posts and reactions, which may be many, are taken out by a job in small steps
(`node.removal.purge`).
"""

from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update

from node import db, media
from node.accounts import indexing, standing
from node.errors import Forbidden, NotFound
from node.runtime import Tx
from node.schema import (
    account,
    account_note,
    block,
    conversation_mute,
    direct_conversation,
    featured_person,
    follow,
    login,
    marker,
    mute,
    notification,
    oauth_token,
    people_list,
    people_list_member,
    scheduled_post,
    suggestion_dismissal,
    tag_follow,
    tombstone,
    word_filter,
)
from node.schema import media as media_table

PURGE_JOB = "account.purge"
"""Kind of the job that takes out what is left; payload `{"account_id": int}`."""

_FOLLOWED = select(follow.c.target_id).where(follow.c.follower_id == bindparam("of"), follow.c.state == "accepted")
_FOLLOWERS = select(follow.c.follower_id).where(follow.c.target_id == bindparam("of"), follow.c.state == "accepted")
_TRACES = (
    update(account)
    .where(account.c.id.in_(_FOLLOWED))
    .values(followers_count=account.c.followers_count - 1, rev=account.c.rev + 1),
    update(account)
    .where(account.c.id.in_(_FOLLOWERS))
    .values(following_count=account.c.following_count - 1, rev=account.c.rev + 1),
    delete(follow).where(or_(follow.c.follower_id == bindparam("of"), follow.c.target_id == bindparam("of"))),
    delete(block).where(or_(block.c.account_id == bindparam("of"), block.c.target_id == bindparam("of"))),
    delete(mute).where(or_(mute.c.account_id == bindparam("of"), mute.c.target_id == bindparam("of"))),
    delete(account_note).where(
        or_(account_note.c.account_id == bindparam("of"), account_note.c.target_id == bindparam("of"))
    ),
    delete(featured_person).where(
        or_(featured_person.c.account_id == bindparam("of"), featured_person.c.target_id == bindparam("of"))
    ),
    delete(suggestion_dismissal).where(
        or_(suggestion_dismissal.c.account_id == bindparam("of"), suggestion_dismissal.c.target_id == bindparam("of"))
    ),
    delete(tag_follow).where(tag_follow.c.account_id == bindparam("of")),
    delete(conversation_mute).where(conversation_mute.c.account_id == bindparam("of")),
    delete(direct_conversation).where(direct_conversation.c.account_id == bindparam("of")),
    delete(word_filter).where(word_filter.c.account_id == bindparam("of")),
    update(media_table)
    .where(media_table.c.account_id == bindparam("of"), media_table.c.scheduled_id.is_not(None))
    .values(scheduled_id=None),
    delete(scheduled_post).where(scheduled_post.c.account_id == bindparam("of")),
    delete(marker).where(marker.c.account_id == bindparam("of")),
    delete(people_list_member).where(people_list_member.c.account_id == bindparam("of")),
    delete(people_list).where(people_list.c.account_id == bindparam("of")),
    delete(notification).where(
        or_(notification.c.account_id == bindparam("of"), notification.c.from_id == bindparam("of"))
    ),
    delete(oauth_token).where(oauth_token.c.account_id == bindparam("of")),
    delete(login).where(login.c.account_id == bindparam("of")),
)
_EMPTIED: dict[str, Any] = {
    "display_name": "",
    "note": "",
    "note_source": "",
    "fields": [],
    "avatar": None,
    "header": None,
    "title": None,
    "department": None,
    "manager_iri": None,
    "executive": False,
    "away_until": None,
    "also_known_as": [],
    "moved_to_iri": None,
    "followers_count": 0,
    "following_count": 0,
    "posts_count": 0,
    "last_post_at": None,
    "discoverable": False,
    "indexable": False,
}


def delete_account(tx: Tx, account_id: int) -> None:
    """By the person or an administrator; for a peer's account by its own Delete. NotFound when it is gone already."""
    if tx.viewer.account_id != account_id:
        standing.require_role(tx, "admin")
    row = tx.first(select(account).where(account.c.id == account_id))
    if row is None or row.gone_at is not None:
        raise NotFound
    if row.iri == tx.urls.node_actor:
        raise Forbidden
    if row.domain is None:
        tx.outgoing.account_deleted(tx, account_id)
        media.retire(tx, account_id, [name for name in (row.avatar, row.header) if name])
    standing.sign_out(tx, account_id)
    for statement in _TRACES:
        tx.execute(statement, {"of": account_id})
    # Suspended as well: that is what every query for posts looks at, so they are out of sight before the job is done.
    gone = {"gone_at": tx.now, "suspended_at": tx.now, "updated_at": tx.now, "rev": account.c.rev + 1}
    tx.execute(update(account).where(account.c.id == account_id).values(**_EMPTIED, **gone))
    indexing.index(tx, [account_id])
    grave = {"iri": row.iri, "author_iri": row.iri, "former_type": row.actor_type, "deleted_at": tx.now}
    tx.execute(db.insert_or_ignore(tx.dialect, tombstone, ["iri"]), grave)
    tx.enqueue(PURGE_JOB, {"account_id": account_id}, dedupe=f"{PURGE_JOB}:{account_id}")
    tx.audit("account.delete", f"account:{account_id}", {"handle": row.handle})
