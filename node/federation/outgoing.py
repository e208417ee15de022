"""What local people do, told to the peers it concerns: implements `node.outgoing.Outgoing`.

Every method runs in the transaction of the deed itself: what is stored is announced, what is rolled back never was
(protocol R87). The first question is always who would get it, since most of what people do here concerns nobody elsewhere.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from activitypub import build
from activitypub.audience import Visibility
from activitypub.vocabulary import PUBLIC, Iri
from node import db
from node.federation import (
    collections,
    consent,
    delivery,
    gatherings,
    groups,
    proving,
    reacting,
    recipients,
    render,
    retractions,
    spread,
    subscriptions,
    updating,
    votes,
)
from node.federation.delivery import Target
from node.outgoing import Published
from node.runtime import Tx
from node.schema import account, block, favourite, follow, mention, post, report

ACTOR, TARGET = account.alias("actor"), account.alias("target")
_ENDS = (
    ACTOR.c.iri.label("actor_iri"),
    ACTOR.c.domain.label("actor_domain"),
    TARGET.c.iri.label("target_iri"),
    TARGET.c.domain.label("target_domain"),
    recipients.inbox_of(TARGET).label("target_inbox"),
)
"""Who did it and to whom."""

_MENTIONED = (
    select(account.c.iri)
    .join(mention, mention.c.account_id == account.c.id)
    .where(mention.c.post_id == bindparam("id"))
    .order_by(account.c.handle)
)


def _pair(table: Any, actor_column: Any, target_column: Any) -> Any:
    """(row of `table`, who did it and to whom)."""
    return (
        select(table, *_ENDS)
        .select_from(table.join(ACTOR, ACTOR.c.id == actor_column).join(TARGET, TARGET.c.id == target_column))
        .where(table.c.id == bindparam("id"))
    )


_FOLLOW = _pair(follow, follow.c.follower_id, follow.c.target_id)
_BLOCK = _pair(block, block.c.account_id, block.c.target_id)
_REPORT = _pair(report, report.c.reporter_id, report.c.target_id)
FAVOURITES = select(favourite, post.c.iri.label("post_iri"), post.c.local_only, *_ENDS).select_from(
    favourite.join(post, post.c.id == favourite.c.post_id)
    .join(ACTOR, ACTOR.c.id == favourite.c.account_id)
    .join(TARGET, TARGET.c.id == post.c.author_id)
)
"""Rows that `like` takes."""
_FAVOURITE = FAVOURITES.where(favourite.c.id == bindparam("id"))
_ACCOUNT = select(account).where(account.c.id == bindparam("id"))
_POST_IRIS = select(post.c.iri).where(db.among(post.c.id, "ids"), post.c.local_only.is_(False))


class Federation:
    """Holds nothing; one instance serves any number of nodes."""

    # --- Posts and boosts

    def post_created(self, tx: Tx, post_id: int, known: Published | None = None) -> None:
        if known is not None:
            _tell_of_new(tx, known)
            consent.ask(tx, known)
            return
        row = _travelling(tx, post_id)
        if row is None:
            return
        to = recipients.audience(tx, row.author_id, post_id, row.visibility)
        if to:
            doc = render.activity_of(tx, row)
            delivery.enqueue(tx, doc, actor_id=row.author_id, about=row.iri, key=row.iri, to=to)

    def post_updated(self, tx: Tx, post_id: int) -> None:
        row = _travelling(tx, post_id)
        if row is not None and row.boost_of_id is None:
            updating.tell(tx, row)

    def post_deleted(self, tx: Tx, post_id: int) -> None:
        row = _travelling(tx, post_id)
        if row is None:
            return
        to = recipients.involved(tx, row.author_id, post_id, row.visibility)
        to = _merged(to, delivery.underway(tx, actor_id=row.author_id, about=row.iri))
        kinds = ["Announce"] if row.boost_of_id is not None else ["Create", "Update", "QuoteRequest"]
        unseen = delivery.withdraw(tx, actor_id=row.author_id, about=row.iri, kinds=kinds, to=to)
        to = [one for one in to if one.inbox not in unseen]
        if not to:
            return
        doc = _undone_boost(tx, row) if row.boost_of_id is not None else _deletion(tx, row)
        delivery.enqueue(tx, doc, actor_id=row.author_id, about=row.iri, key=row.iri, to=to)
        retractions.keep(tx, doc, to, row.visibility, told_all=not unseen)

    def quote_revoked(self, tx: Tx, post_id: int) -> None:
        consent.withdraw(tx, post_id)

    # --- Favourites

    def favourited(self, tx: Tx, favourite_id: int) -> None:
        row = tx.first(_FAVOURITE, {"id": favourite_id})
        if row is not None and _leaves(row) and not row.local_only:
            doc = like(tx, row)
            _send(tx, doc, row.account_id, about=row.post_iri, key=doc["id"], to=recipients.at(row.target_inbox))

    def unfavourited(self, tx: Tx, favourite_id: int) -> None:
        row = tx.first(_FAVOURITE, {"id": favourite_id})
        if row is not None and _leaves(row) and not row.local_only:
            liked = like(tx, row)
            doc = build.undo(liked, iri=_undo_iri(liked["id"]), actor=row.actor_iri, to=[row.target_iri])
            _send(tx, doc, row.account_id, about=row.post_iri, key=liked["id"], to=recipients.at(row.target_inbox))

    # --- Polls

    def voted(self, tx: Tx, poll_id: int, account_id: int, choices: Sequence[int]) -> None:
        votes.send(tx, poll_id, account_id, choices)

    def poll_tallied(self, tx: Tx, post_id: int) -> None:
        votes.tell(tx, post_id)

    def reacted(self, tx: Tx, reaction_id: int) -> None:
        reacting.send(tx, reaction_id)

    def unreacted(self, tx: Tx, reaction_id: int) -> None:
        reacting.send_undo(tx, reaction_id)

    # --- Follows

    def follow_asked(self, tx: Tx, follow_id: int) -> None:
        row = tx.first(_FOLLOW, {"id": follow_id})
        if row is None or not _leaves(row):
            return
        if row.iri is None:  # the answer names it
            tx.execute(update(follow).where(follow.c.id == follow_id).values(iri=_follow_iri(tx, row)))
        _send(
            tx,
            _follow(tx, row),
            row.follower_id,
            about=row.target_iri,
            key=_key(row),
            to=recipients.at(row.target_inbox),
        )

    def unfollowed(self, tx: Tx, follow_id: int) -> None:
        row = tx.first(_FOLLOW, {"id": follow_id})
        if row is None or not _leaves(row):
            return
        doc = build.undo(
            _follow(tx, row),
            iri=_new_iri(tx, row.actor_iri, "Undo"),
            actor=row.actor_iri,
            to=[row.target_iri],
        )
        _send(tx, doc, row.follower_id, about=row.target_iri, key=_key(row), to=recipients.at(row.target_inbox))

    def follow_answered(self, tx: Tx, follow_id: int, *, accepted: bool) -> None:
        row = tx.first(_FOLLOW, {"id": follow_id})
        if row is not None and row.actor_domain is not None and row.target_domain is None:
            answer_follow(
                tx, _follow(tx, row), followed_id=row.target_id, follower_id=row.follower_id, accepted=accepted
            )

    # --- Blocks

    def blocked(self, tx: Tx, block_id: int) -> None:
        row = tx.first(_BLOCK, {"id": block_id})
        if row is not None and _leaves(row):
            to = recipients.at(row.target_inbox)
            _send(tx, _block(tx, row), row.account_id, about=row.target_iri, key=_key(row), to=to)

    def unblocked(self, tx: Tx, block_id: int) -> None:
        row = tx.first(_BLOCK, {"id": block_id})
        if row is not None and _leaves(row):
            original = _block(tx, row)
            doc = build.undo(original, iri=_undo_iri(original["id"]), actor=row.actor_iri, to=[row.target_iri])
            _send(tx, doc, row.account_id, about=row.target_iri, key=_key(row), to=recipients.at(row.target_inbox))

    # --- Groups

    def group_passes_on(self, tx: Tx, group_id: int, post_id: int, what: str) -> None:
        groups.pass_on(tx, group_id, post_id, what)

    def group_removes(self, tx: Tx, group_id: int, post_id: int, moderator_id: int | None) -> None:
        groups.removed(tx, group_id, post_id, moderator_id)

    # --- Tags

    def tag_follows_changed(self, tx: Tx, tag_id: int) -> None:
        if spread.is_by_subscription(tx.settings):
            subscriptions.settle(tx, tag_id)

    def post_pinned(self, tx: Tx, post_id: int, *, added: bool) -> None:
        collections.tell_pinned(tx, post_id, added=added)

    def tag_featured(self, tx: Tx, account_id: int, tag_id: int, *, added: bool) -> None:
        collections.tell_tag(tx, account_id, tag_id, added=added)

    # --- Events that people come to

    def joined(self, tx: Tx, attendance_id: int) -> None:
        gatherings.tell_joined(tx, attendance_id)

    def left(self, tx: Tx, attendance_id: int) -> None:
        gatherings.tell_left(tx, attendance_id)

    def guest_answered(self, tx: Tx, attendance_id: int, *, accepted: bool) -> None:
        gatherings.tell_answer(tx, attendance_id, accepted=accepted)

    # --- Accounts

    def profile_changed(self, tx: Tx, account_id: int) -> None:
        row = tx.first(_ACCOUNT, {"id": account_id})
        if row is None or row.domain is not None:
            return
        is_node = row.iri == tx.urls.node_actor
        _update_actor(tx, row, recipients.all_peers(tx) if is_node else recipients.acquainted(tx, account_id))

    def account_deleted(self, tx: Tx, account_id: int) -> None:
        """Copies may be anywhere, so every peer is told. The account's keys must stay until this is delivered."""
        row = tx.first(_ACCOUNT, {"id": account_id})
        if row is None or row.domain is not None:
            return
        to = _merged(recipients.followers(tx, account_id), recipients.all_peers(tx))
        delivery.withdraw(tx, actor_id=account_id, about=row.iri, kinds=["Update"], to=to)
        doc = build.delete(row.iri, iri=Iri(f"{row.iri}#delete"), actor=row.iri, to=[PUBLIC])
        _send(tx, doc, account_id, about=row.iri, key=row.iri, to=to)
        retractions.keep(tx, doc, to, Visibility.PUBLIC)

    # --- Reports

    def reported(self, tx: Tx, report_id: int) -> None:
        """By the node's actor, so that the reporter is not named (protocol R54)."""
        row = tx.first(_REPORT, {"id": report_id})
        if row is None or not _leaves(row):
            return
        node_actor = tx.first(select(account.c.id, account.c.iri).where(account.c.iri == tx.urls.node_actor))
        if node_actor is None:
            return
        reported = [row.target_iri, *(tx.scalars(_POST_IRIS, {"ids": row.post_ids}) if row.post_ids else [])]
        iri = tx.urls.activity(node_actor.iri, "Flag", report_id)
        doc = build.flag(reported, iri=Iri(iri), actor=node_actor.iri, content=row.comment, to=[row.target_iri])
        _send(tx, doc, node_actor.id, about=row.target_iri, key=iri, to=recipients.at(row.target_inbox))


# --- Not caused by a rule of a feature ----------------------------------------------------------------------------


def greet(tx: Tx) -> None:
    """Tell every peer that this node is up, by an Update of its own actor: their breakers close when they read it."""
    row = tx.first(select(account).where(account.c.iri == tx.urls.node_actor))
    if row is not None:
        _update_actor(tx, row, recipients.all_peers(tx))


def answer_follow(tx: Tx, asked: dict[str, Any], *, followed_id: int, follower_id: int, accepted: bool) -> None:
    """Accept or Reject of a Follow by a remote account; `asked` is {"id", "type", "actor", "object"}."""
    make = build.accept if accepted else build.reject
    actor, follower = asked["object"], asked["actor"]
    doc = make(asked, iri=_new_iri(tx, actor, "Accept" if accepted else "Reject"), actor=actor, to=[follower])
    to = recipients.one(tx, follower_id)
    _send(tx, doc, followed_id, about=asked["id"], key=f"{follower} {actor}", to=to)


# --- Parts --------------------------------------------------------------------------------------------------------


def _travelling(tx: Tx, post_id: int) -> Row[Any] | None:
    """The post, if it is one of ours that may leave the node at all.

    The end of an account is told once, by `account_deleted`; its keys are not believed afterwards.
    """
    row = render.stored(tx, post_id)
    return None if row is None or row.author_gone_at is not None else row


def _tell_of_new(tx: Tx, known: Published) -> None:
    if known.post.local_only:
        return
    to = recipients.audience_of_new(tx, known)
    if to:
        iri = known.post.iri
        doc = render.activity_of_new(tx, known)
        delivery.enqueue(tx, doc, actor_id=known.post.author_id, about=iri, key=iri, to=to)


def _leaves(row: Row[Any]) -> bool:
    """Something that one of ours did to somebody elsewhere."""
    return row.actor_domain is None and row.target_domain is not None


def _send(tx: Tx, doc: dict[str, Any], actor_id: int, *, about: str, key: str, to: Sequence[Target]) -> None:
    if to:
        delivery.enqueue(tx, doc, actor_id=actor_id, about=about, key=key, to=to)


def _update_actor(tx: Tx, row: Row[Any], to: Sequence[Target]) -> None:
    if not to:
        return
    delivery.withdraw(tx, actor_id=row.id, about=row.iri, kinds=["Update"], to=to)
    described = render.actor(tx, row.id)
    doc = build.update(
        described,
        iri=_new_iri(tx, row.iri, "Update"),
        actor=row.iri,
        to=[PUBLIC],
        cc=[row.followers_iri] if row.followers_iri else [],
    )
    doc["object"] = proving.vouched(tx, described)
    delivery.enqueue(tx, doc, actor_id=row.id, about=row.iri, key=row.iri, to=to)


def _deletion(tx: Tx, row: Row[Any]) -> dict[str, Any]:
    tombstone = build.tombstone(row.iri, former_type=row.object_type, deleted=tx.now)
    direct = row.visibility == Visibility.DIRECT
    to = [Iri(iri) for iri in tx.scalars(_MENTIONED, {"id": row.id})] if direct else [PUBLIC]
    return build.delete(tombstone, iri=Iri(f"{row.iri}#delete"), actor=row.author_iri, to=to)


def _undone_boost(tx: Tx, row: Row[Any]) -> dict[str, Any]:
    original = render.activity_of(tx, row)
    return build.undo(
        original, iri=_undo_iri(original["id"]), actor=row.author_iri, to=original["to"], cc=original.get("cc", ())
    )


def like(tx: Tx, row: Row[Any]) -> dict[str, Any]:
    """The Like of a row of FAVOURITES."""
    iri = row.iri or tx.urls.activity(row.actor_iri, "Like", row.id)
    return build.like(row.post_iri, iri=Iri(iri), actor=row.actor_iri, to=[row.target_iri])


def _follow_iri(tx: Tx, row: Row[Any]) -> Iri:
    return Iri(row.iri or tx.urls.activity(row.actor_iri, "Follow", row.id))


def _follow(tx: Tx, row: Row[Any]) -> dict[str, Any]:
    return build.follow(row.target_iri, iri=_follow_iri(tx, row), actor=row.actor_iri)


def _block(tx: Tx, row: Row[Any]) -> dict[str, Any]:
    iri = row.iri or tx.urls.activity(row.actor_iri, "Block", row.id)
    return build.block(row.target_iri, iri=Iri(iri), actor=row.actor_iri)


def _key(row: Row[Any]) -> str:
    """Follow, its answer, its Undo and a block between two people stay in order."""
    return f"{row.actor_iri} {row.target_iri}"


def _new_iri(tx: Tx, actor_iri: str, kind: str) -> Iri:
    return Iri(tx.urls.activity(actor_iri, kind, tx.new_id()))


def _undo_iri(undone: str) -> Iri:
    return Iri(f"{undone}/undo")


def _merged(*groups: Sequence[Target]) -> list[Target]:
    return list({one.inbox: one for group in groups for one in group}.values())
