"""Votes, as peers send them and as we do, and the numbers of our polls (R56, FEP-9967).

A vote is a Note with the name of an option, for the author of the poll alone. It is counted and never kept as a post, so
nothing shows it, answers it or passes it on.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from activitypub import build
from activitypub.documents import Post
from activitypub.vocabulary import Iri
from node import accounts, copies, polls
from node.errors import NotFound
from node.federation import delivery, recipients, render, updating
from node.runtime import Node, Tx
from node.schema import account, poll, poll_vote, post
from node.viewer import remote

if TYPE_CHECKING:
    from node.federation.network import Network

_POLL_AT = (
    select(poll.c.id)
    .join(post, post.c.id == poll.c.post_id)
    .where(post.c.iri == bindparam("iri"), post.c.local.is_(True))
)
_ASKED_AT = (
    select(post.c.iri, post.c.author_id, poll.c.options, account.c.iri.label("author_iri"))
    .select_from(poll.join(post, post.c.id == poll.c.post_id).join(account, account.c.id == post.c.author_id))
    .where(poll.c.id == bindparam("id"))
)
_VOTER = select(account.c.iri).where(account.c.id == bindparam("id"))
_NAME = (
    update(poll_vote)
    .where(
        poll_vote.c.poll_id == bindparam("poll"),
        poll_vote.c.account_id == bindparam("voter"),
        poll_vote.c.choice == bindparam("place"),
    )
    .values(iri=bindparam("named"))
)
_SUSPENDED = select(account.c.suspended_at).where(account.c.id == bindparam("id"))


# --- What arrives -------------------------------------------------------------------------------------------------


def take(tx: Tx, said: Post) -> None:
    """Count a vote by a peer's person, who has signed it. Idempotent.

    NotFound for what is no poll of ours, or one that the voter may not see: also if its author blocks them. Ignored: a vote
    after the end, for no option, by who has voted. Raises Unknown for a voter who is not stored yet, Forbidden for one who
    is suspended.
    """
    voter = accounts.acting(tx, said.author)
    poll_id = tx.scalar(_POLL_AT, {"iri": said.in_reply_to})
    if poll_id is None or voter.domain is None:
        raise NotFound
    row = polls.opened(tx, poll_id)
    if row is None or copies.seen_by(tx, remote(voter.id, voter.domain), row.post_id) is None:
        raise NotFound
    named = polls.titles(row.options)
    if said.name in named and not polls.has_ended(row, tx.now):
        polls.record(tx, row, voter.id, {named.index(said.name): said.iri})


# --- What is sent -------------------------------------------------------------------------------------------------


def send(tx: Tx, poll_id: int, voter_id: int, choices: Sequence[int]) -> None:
    """A Create for each choice, to the author of the poll and nobody else."""
    asked = tx.first(_ASKED_AT, {"id": poll_id})
    voter_iri = tx.scalar(_VOTER, {"id": voter_id})
    if asked is None or voter_iri is None:
        return
    to = recipients.one(tx, asked.author_id)
    for choice in choices:
        iri = Iri(tx.urls.vote(voter_iri, tx.new_id()))
        tx.execute(_NAME, {"poll": poll_id, "voter": voter_id, "place": choice, "named": iri})
        note = build.vote(
            asked.options[choice]["title"],
            iri=iri,
            actor=Iri(voter_iri),
            question=Iri(asked.iri),
            to=Iri(asked.author_iri),
        )
        doc = build.create(note, iri=Iri(f"{iri}/activity"))
        delivery.enqueue(tx, doc, actor_id=voter_id, about=iri, key=asked.iri, to=to)


def tell(tx: Tx, post_id: int) -> None:
    """Update of a poll of ours with the numbers as they are, to everybody who has it: its audience and who voted.

    The Question says when it was `updated`, as FEP-9967 has it; that its words are the same makes it no edit.
    """
    row = render.stored(tx, post_id)
    if row is None or row.author_gone_at is not None or tx.scalar(_SUSPENDED, {"id": row.author_id}) is not None:
        return
    updating.tell(tx, row, updated=build.timestamp(max(tx.now, row.edited_at or 0)))


# --- Jobs ---------------------------------------------------------------------------------------------------------


async def tally(node: Node, _network: "Network", payload: Any) -> None:
    await node.write(polls.tally, payload["poll_id"])


async def end(node: Node, _network: "Network", payload: Any) -> None:
    last: int | None = 0
    while last is not None:
        last = await node.write(polls.end, payload["poll_id"], last)
