"""Inbox forwarding (ActivityPub 7.1.2, protocol R70): answers to our people's posts, passed on to their followers elsewhere.

Who answers a post from another server often cannot know the author's followers; we do. What is passed on are the bytes as
they came, so that the answering actor's integrity proof still holds; what has none goes on as a hint, if it is public, and
whoever gets it asks its origin. It ends by itself: an activity is worked off once, and only the server of the post that is
answered passes it on.
"""

from dataclasses import dataclass

from sqlalchemy import bindparam, exists, select

from activitypub import proofs, values
from activitypub.documents import Activity
from activitypub.errors import SignatureInvalid
from activitypub.vocabulary import PUBLIC_SPELLINGS, host
from node.federation import delivery, recipients
from node.runtime import Tx
from node.schema import account, block, post

KINDS = frozenset({"Create", "Update", "Delete"})

_PARENT, _ANSWERING = post.alias("parent"), account.alias("answering")
_BLOCKS = exists().where(
    block.c.account_id == account.c.id, block.c.target_id == _ANSWERING.c.id, _ANSWERING.c.iri == bindparam("actor")
)
_ANSWERED = (
    select(account.c.id, account.c.followers_iri)
    .join(_PARENT, _PARENT.c.author_id == account.c.id)
    .where(
        _PARENT.c.local.is_(True),
        _PARENT.c.local_only.is_(False),
        account.c.suspended_at.is_(None),
        account.c.gone_at.is_(None),
        ~_BLOCKS,
    )
)
_ANSWERED_BY_IRI = _ANSWERED.where(_PARENT.c.iri == bindparam("iri"))
_ANSWERED_BY_CHILD = _ANSWERED.join(post, post.c.in_reply_to_id == _PARENT.c.id).where(post.c.iri == bindparam("iri"))
_IS_STORED = select(post.c.id).where(post.c.iri == bindparam("iri"))


@dataclass(frozen=True, slots=True)
class Onward:
    """The local author whose followers are to get it. Never of an answer by somebody whom the author blocks."""

    author_id: int


def concerned(tx: Tx, activity: Activity) -> Onward | None:
    """Ask before the activity takes effect: after a Delete nobody knows any more what it was about.

    Costs nothing but for what is addressed to a followers collection of ours.
    """
    if activity.type not in KINDS or activity.object is None:
        return None
    addressed = {one for one in (*activity.to, *activity.cc) if tx.urls.is_ours(one) and one.endswith("/followers")}
    if not addressed:
        return None
    answers = values.iri((activity.embedded or {}).get("inReplyTo"))
    if answers is not None:
        row = tx.first(_ANSWERED_BY_IRI, {"iri": answers, "actor": activity.actor})
    else:
        row = tx.first(_ANSWERED_BY_CHILD, {"iri": activity.object, "actor": activity.actor})
    return Onward(row.id) if row is not None and row.followers_iri in addressed else None


def pass_on(tx: Tx, onward: Onward, activity: Activity, body: bytes, *, sender: str) -> None:
    """Send the bytes to the author's followers, but for those on the server that it is from and on the one that sent it."""
    public = not PUBLIC_SPELLINGS.isdisjoint((*activity.to, *activity.cc))
    if activity.iri is None or activity.object is None or not (public or _has_proof(activity)):
        return
    if activity.type != "Delete" and tx.first(_IS_STORED, {"iri": activity.object}) is None:
        return  # it was not taken here either
    known = {host(activity.actor), sender}
    to = [one for one in recipients.followers(tx, onward.author_id) if one.domain not in known]
    doc = {"id": activity.iri, "type": activity.type}
    delivery.enqueue(tx, doc, actor_id=onward.author_id, about=activity.object, key=activity.object, to=to, body=body)


def _has_proof(activity: Activity) -> bool:
    try:
        return proofs.presented(activity.raw) is not None
    except SignatureInvalid:
        return False
