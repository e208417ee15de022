"""Reactions over the wire (R58, FEP-c0e0).

We send a Like with the emoji as its `content`: Misskey, Pleroma, Akkoma, Mitra and PieFed read it as the reaction, Mastodon,
GoToSocial and everybody else as a favourite. An EmojiReact, which the proposal prefers, would be dropped by the latter. It
goes to the author's node alone, as favourites do.
"""

from typing import Any

from sqlalchemy import bindparam, select

from activitypub import authority, build, values
from activitypub import reactions as said
from activitypub.reactions import Reaction
from activitypub.vocabulary import Iri
from node import accounts, emoji, reacting
from node.errors import Invalid, NotFound
from node.federation import delivery, reactions, recipients
from node.federation import emoji as wire
from node.federation.inbound import Inbound
from node.pictographs import one_emoji
from node.reacting import Chosen
from node.runtime import Tx
from node.schema import account, post, reaction
from node.schema import emoji as emoji_table
from node.schema.meta import Id

_POST = select(post.c.id).where(post.c.iri == bindparam("iri"))
ACTOR, TARGET = account.alias("actor"), account.alias("target")
REACTIONS = select(
    reaction,
    post.c.iri.label("post_iri"),
    post.c.local_only,
    ACTOR.c.iri.label("actor_iri"),
    ACTOR.c.domain.label("actor_domain"),
    TARGET.c.iri.label("target_iri"),
    recipients.inbox_of(TARGET).label("target_inbox"),
).select_from(
    reaction.join(post, post.c.id == reaction.c.post_id)
    .join(ACTOR, ACTOR.c.id == reaction.c.account_id)
    .join(TARGET, TARGET.c.id == post.c.author_id)
)
"""Rows that `like` takes."""
_SENT = REACTIONS.where(reaction.c.id == bindparam("id", type_=Id))
_BY_IRI = select(emoji_table).where(emoji_table.c.iri == bindparam("iri"), emoji_table.c.disabled_at.is_(None))


# --- Handlers -----------------------------------------------------------------------------------------------------


def on_like(tx: Tx, inbound: Inbound) -> None:
    """A Like with an emoji as its content is a reaction, any other a favourite."""
    left = said.reaction(inbound.activity)
    if left is None:
        reactions.on_like(tx, inbound)
    else:
        _take(tx, inbound, left)


def on_react(tx: Tx, inbound: Inbound) -> None:
    """EmojiReact. What is not shown here is a favourite."""
    _take(tx, inbound, said.reaction(inbound.activity))


def on_undo_reaction(tx: Tx, inbound: Inbound) -> None:
    """Of a Like or EmojiReact: by its id, or by what it was left under and with which emoji."""
    if inbound.activity.object is not None and _undo_by_iri(tx, inbound):
        return
    left = said.undone(inbound.activity)
    fan = accounts.acting(tx, inbound.actor_iri)
    wanted = None if left is None else _meant(tx, fan, inbound.actor_iri, left)
    if wanted is None:
        reactions.on_undo_like(tx, inbound)
        return
    about = values.iri((inbound.activity.embedded or {}).get("object"))
    post_id = tx.scalar(_POST, {"iri": about}) if about is not None else None
    if post_id is not None and reacting.remove(tx, fan.id, post_id, wanted.name):
        return
    reactions.undo_by_iri(tx, fan.id, inbound)  # it was one too many then


def on_undo(tx: Tx, inbound: Inbound) -> None:
    """The original is named by its id alone."""
    if inbound.activity.object_type is not None or not _undo_by_iri(tx, inbound):
        reactions.on_undo(tx, inbound)


def _take(tx: Tx, inbound: Inbound, left: Reaction | None) -> None:
    """Of a post that the sender may not see it is dropped, as if there were no such post (R46)."""
    fan = accounts.acting(tx, inbound.actor_iri)
    post_id = tx.scalar(_POST, {"iri": inbound.object_iri})
    if post_id is None:
        raise NotFound
    if fan.domain is None:
        return
    wanted = None if left is None else _meant(tx, fan, inbound.actor_iri, left)
    reacting.record(tx, fan.id, fan.domain, post_id, wanted, inbound.iri)


def _meant(tx: Tx, fan: Any, actor_iri: str, left: Reaction) -> Chosen | None:
    """What is shown here for it; None for what is no emoji, or a custom one that nobody vouches for.

    A custom emoji of the sender's server is learnt from its tag; of another server's (FEP-c0e0 allows it) only one that is
    known here already, by its id: what it looks like is for its own server to say.
    """
    if left.shortcode is None:
        picture = one_emoji(left.content)
        return None if picture is None else Chosen(picture)
    if left.emoji is None:
        return None
    row: Any
    if said.is_own(left.emoji, actor_iri):
        emoji.learn(tx, fan.domain, [left.emoji._replace(shortcode=left.shortcode)])
        row = emoji.by_name(tx, left.shortcode, fan.domain)
    else:
        row = _known(tx, left.emoji.iri or "")
    try:
        return None if row is None else reacting.custom(row)
    except Invalid:
        return None


def _known(tx: Tx, iri: str) -> Any:
    """An emoji by its id: one of ours, or of a peer's that is known here."""
    number = iri.removeprefix(tx.urls.emoji(0)[:-1]) if tx.urls.is_ours(iri) else ""
    if number.isascii() and number.isdecimal() and len(number) < 19:
        row = emoji.by_ids(tx, [int(number)]).get(int(number))
        return row if row is not None and not row.domain and row.file and row.disabled_at is None else None
    return tx.first(_BY_IRI, {"iri": iri})


def _undo_by_iri(tx: Tx, inbound: Inbound) -> bool:
    stored = reacting.by_iri(tx, inbound.object_iri)
    if stored is None:
        return False
    authority.may_undo(stored.doer_iri, inbound.actor_iri)
    return reacting.remove(tx, stored.account_id, stored.post_id, stored.name)


# --- Sending ------------------------------------------------------------------------------------------------------


def send(tx: Tx, reaction_id: int) -> None:
    """Tell the author of a peer's post. What is of the department, or of ours, goes nowhere."""
    row = _leaving(tx, reaction_id)
    if row is not None:
        doc = like(tx, row)
        to = recipients.at(row.target_inbox)
        delivery.enqueue(tx, doc, actor_id=row.account_id, about=row.post_iri, key=doc["id"], to=to)


def send_undo(tx: Tx, reaction_id: int) -> None:
    row = _leaving(tx, reaction_id)
    if row is not None:
        left = like(tx, row)
        doc = build.undo(left, iri=Iri(f"{left['id']}/undo"), actor=row.actor_iri, to=[row.target_iri])
        to = recipients.at(row.target_inbox)
        delivery.enqueue(tx, doc, actor_id=row.account_id, about=row.post_iri, key=left["id"], to=to)


def _leaving(tx: Tx, reaction_id: int) -> Any:
    row = tx.first(_SENT, {"id": reaction_id})
    leaves = row is not None and row.actor_domain is None and not row.local_only and row.target_inbox is not None
    return row if leaves else None


def like(tx: Tx, row: Any) -> dict[str, Any]:
    """The Like, with an emoji, of a row of REACTIONS."""
    iri = row.iri or tx.urls.activity(row.actor_iri, "Like", row.id)
    used = emoji.by_ids(tx, [row.emoji_id]).get(row.emoji_id) if row.emoji_id is not None else None
    content = row.name if used is None else f":{used.shortcode}:"
    tag = None if used is None else wire.tag(tx, used)
    return build.reaction(row.post_iri, content, iri=Iri(iri), actor=row.actor_iri, to=[row.target_iri], emoji_=tag)
