"""Quotes between nodes: who asks for consent, who gives it, and when it is believed (FEP-044f, protocol R57).

A peer asks to quote a post of ours: answered at once, by the author's policy. One of ours quotes a peer's post: its author
was asked, and the stamp that comes back is fetched from their origin. Two others: the same stamp, named by the post.
"""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, bindparam, case, or_, select

from activitypub import authority, build, parse, values
from activitypub.documents import Activity, Post, QuoteAuthorization
from activitypub.errors import FetchFailed, Malformed, Refused
from activitypub.vocabulary import Iri
from node import accounts, posts, quotes, sight
from node.errors import NotFound, Unknown
from node.federation import consent, published
from node.federation import posts as taking
from node.federation.inbound import Inbound
from node.ids import PostId
from node.quotes import Answer, State
from node.runtime import Node, Tx
from node.schema import account, block, follow, post, quote
from node.schema.meta import Id
from node.sight import Sight, some
from node.viewer import Kind, remote
from node.visibility import visible

if TYPE_CHECKING:
    from node.federation.network import Network

_QUOTER = bindparam("quoter", type_=Id)
_REQUEST = "/activities/quoterequest/"
_POST = select(post.c.id, post.c.author_id).where(post.c.iri == bindparam("iri"))
_BY_REQUEST = select(quote.c.post_id).where(quote.c.request_iri == bindparam("iri"))


# --- Somebody asks to quote a post of ours ------------------------------------------------------------------------


def on_request(tx: Tx, inbound: Inbound) -> None:
    """Answered by the author's policy as it is now. Who may not see the post hears nothing, as if there were none (R46).

    The quoting post is taken as it is sent along, or fetched. Idempotent: whoever asks again gets the same stamp; a consent
    that was revoked is not given again for the same post.
    """
    quoter = accounts.acting(tx, inbound.actor_iri)
    wanted = sight.statement(remote(quoter.id, quoter.domain), _requested)
    seen = {"viewer": quoter.id, "now": tx.now}
    quoted = tx.first(wanted, {"iri": inbound.object_iri, "quoter": quoter.id, **seen})
    instrument = inbound.activity.instrument
    if quoted is None or instrument is None:
        raise NotFound
    asked = {
        "id": inbound.iri,
        "type": "QuoteRequest",
        "actor": inbound.actor_iri,
        "object": inbound.object_iri,
        "instrument": instrument,
    }
    by = (quoted.author_id, quoted.author_iri)
    stamp: str | None = None
    if _is_granted(quoted):
        stamp = _granted(tx, inbound, quoted, instrument)
    else:
        _refuse(tx, instrument, quoter.id)
    consent.answer(tx, asked, by=by, to=quoter.id, stamp=stamp)


def _is_granted(quoted: Any) -> bool:
    policy = quotes.effective(quoted.quote_policy, local=True, visibility=quoted.visibility)
    expected = quotes.answer(policy, follows=bool(quoted.follows), followed=bool(quoted.followed))
    return expected is Answer.AUTOMATIC and not quoted.blocks


def _granted(tx: Tx, inbound: Inbound, quoted: Any, instrument: Iri) -> str | None:
    """The stamp; None if the consent was revoked before."""
    post_id = _taken(tx, inbound, instrument)
    row = quotes.situation(tx, post_id)
    if row is None or row.quoted_iri != inbound.object_iri or row.author_iri != inbound.actor_iri:
        raise Refused("a request for a post that quotes something else")
    if row.state == State.REVOKED:
        return None
    stamp = tx.urls.quote_authorization(quoted.author, post_id)
    quotes.move(tx, row, State.ACCEPTED, stamp=stamp)
    return stamp


def _taken(tx: Tx, inbound: Inbound, instrument: Iri) -> PostId:
    """The quoting post, stored. Raises Unknown if it was only named and is not here."""
    said = _sent_along(inbound.activity)
    if said is not None:
        if said.iri != instrument or said.quote != inbound.object_iri:
            raise Refused("a request for a post that quotes something else")
        post_id = taking.take(tx, said, unsolicited=False, upwards=False)
        if post_id is None:
            raise Refused("a request for a post that is not kept")
        return post_id
    known = tx.first(_POST, {"iri": instrument})
    if known is None:
        raise Unknown(instrument)
    return PostId(known.id)


def _sent_along(activity: Activity) -> Post | None:
    """The post if its own author, who asks, sent it along; None if it is only named (R40)."""
    try:
        said = parse.post(activity.inlined, actor=activity.actor)
    except Malformed:
        return None
    return said if said.author == activity.actor else None


def _refuse(tx: Tx, instrument: str, quoter_id: int) -> None:
    known = tx.first(_POST, {"iri": instrument})
    row = quotes.situation(tx, known.id) if known is not None and known.author_id == quoter_id else None
    if row is not None and row.quoted_local and row.state == State.PENDING:
        quotes.move(tx, row, State.REJECTED)


# --- The author whom one of ours quotes answers -------------------------------------------------------------------


def concerns(activity: Activity) -> bool:
    """An answer to a QuoteRequest, embedded or by the id that we gave it."""
    if activity.object_type is not None:
        return activity.object_type == "QuoteRequest"
    return activity.object is not None and _REQUEST in activity.object


def on_accept(tx: Tx, inbound: Inbound) -> None:
    """Yes: the stamp is fetched before anything is shown. Only of a request of ours, by its id and both parties (R43)."""
    row = _asked(tx, inbound)
    stamp = inbound.activity.result
    if stamp is None:
        raise Refused("consent to a quote without a stamp")
    if row.state in (State.PENDING, State.REJECTED):
        quotes.ask_to_verify(tx, row.post_id, stamp)


def on_reject(tx: Tx, inbound: Inbound) -> None:
    """No, or no longer."""
    row = _asked(tx, inbound)
    if row.state in (State.PENDING, State.ACCEPTED):
        quotes.move(tx, row, State.REJECTED if row.state == State.PENDING else State.REVOKED)


def _asked(tx: Tx, inbound: Inbound) -> Any:
    post_id = tx.scalar(_BY_REQUEST, {"iri": inbound.object_iri})
    row = quotes.situation(tx, post_id) if post_id is not None else None
    if row is None or not row.local or row.quoted_author_iri is None:
        raise NotFound("no such request of ours")
    if row.quoted_author_iri != inbound.actor_iri:
        raise Refused("an answer by somebody else than the quoted author")
    embedded = inbound.activity.embedded or {}
    for name, expected in (("actor", row.author_iri), ("object", row.quoted_iri), ("instrument", row.iri)):
        if embedded.get(name) is not None and values.iri(embedded[name]) != expected:
            raise Refused("an answer that names another quote than was asked for")
    return row


# --- Stamps -------------------------------------------------------------------------------------------------------


def on_revoke(tx: Tx, inbound: Inbound) -> None:
    """The quoted author deletes the stamp. One that is not here yet counts no more when it comes (CVE-2026-33869)."""
    if not posts.delete_remote(tx, inbound.object_iri, inbound.actor_iri):
        quotes.revoke_by_iri(tx, inbound.object_iri, inbound.actor_iri)


async def verify(node: Node, network: "Network", payload: Any) -> None:
    """Fetch what a post quotes and the consent to it, then believe both or neither: a job.

    Raises FetchFailed, Malformed, Refused, NotFound.
    """
    post_id, stamp_iri = int(payload["post_id"]), payload["stamp"]
    if payload.get("again"):
        await _look_again(node, network, stamp_iri)
        return
    quoted_iri = await node.read(_quoted_iri, post_id)
    if quoted_iri is None:
        return
    if not node.urls.is_ours(quoted_iri):
        await network.fetch_post(quoted_iri, upwards=False)
    stamp = None
    if stamp_iri is not None:
        stamp = parse.quote_authorization(await network.document(stamp_iri))
        if stamp.iri != stamp_iri:
            raise Refused("a stamp with another id than it was asked for")
    await node.write(believe, post_id, stamp)


async def _look_again(node: Node, network: "Network", stamp_iri: str) -> None:
    """A quote ends whose stamp is gone from its origin."""
    try:
        await network.document(stamp_iri)
    except FetchFailed as error:
        if not error.gone:
            raise
        await node.write(quotes.stamp_gone, stamp_iri)


def _quoted_iri(tx: Tx, post_id: int) -> str | None:
    row = quotes.situation(tx, post_id)
    return None if row is None or row.state == State.ACCEPTED else str(row.quoted_iri)


def believe(tx: Tx, post_id: int, stamp: QuoteAuthorization | None) -> None:
    """Take a stamp that its origin gave just now, or without one a quote of one's own; by what is stored at this moment.

    Nothing if the post, what it quotes or the stamp was deleted meanwhile, or the quoted author has blocked the quoting one.
    """
    row = quotes.situation(tx, post_id, stamp=stamp.iri if stamp is not None else "")
    if row is None or row.found_id is None or row.state in (State.ACCEPTED, State.DELETED):
        return
    if row.author_id != row.quoted_author_id:
        if stamp is None:
            return
        authority.may_stamp(stamp, quoting=Iri(row.iri), quoted=Iri(row.quoted_iri), author=Iri(row.quoted_author_iri))
        if row.is_withdrawn or row.is_blocked or stamp.iri == row.stamp_iri:
            return
    quotes.move(tx, row, State.ACCEPTED, stamp=None if stamp is None else stamp.iri)
    if row.local:
        tx.outgoing.post_updated(tx, row.post_id)


def authorization(tx: Tx, username: str, post_id: int) -> dict[str, Any]:
    """The stamp that one of ours gave to the quote in a post. NotFound unless it holds, and for whoever may not see both.

    Who wrote the quoting post sees it, though peers' posts for followers are hardly ever known to be theirs to see.
    """
    author = published.local(tx, username)
    row = quotes.situation(tx, post_id)
    stamp = tx.urls.quote_authorization(author.username, post_id)
    if row is None or row.state != State.ACCEPTED or row.stamp_iri != stamp or row.quoted_author_id != author.id:
        raise NotFound
    viewer = tx.viewer
    own = viewer.account_id == row.author_id or (viewer.kind is Kind.PEER and viewer.domain == row.author_domain)
    ours = and_(post.c.local.is_(True), post.c.local_only.is_(False), post.c.id == row.found_id)
    if tx.first(select(post.c.id).where(ours, visible(viewer))) is None:
        raise NotFound
    if not own and tx.first(select(post.c.id).where(post.c.id == post_id, visible(viewer))) is None:
        raise NotFound
    return build.quote_authorization(
        QuoteAuthorization(iri=Iri(stamp), author=author.iri, quoting=Iri(row.iri), quoted=Iri(row.quoted_iri))
    )


def _requested(eyes: Sight) -> Select[Any]:
    """A post of ours that somebody asks to quote, as far as they may see it, and how they stand to its author."""
    follows = some(
        follow, follow.c.follower_id == _QUOTER, follow.c.target_id == post.c.author_id, follow.c.state == "accepted"
    )
    followed = some(
        follow, follow.c.follower_id == post.c.author_id, follow.c.target_id == _QUOTER, follow.c.state == "accepted"
    )
    blocks = some(
        block,
        or_(
            and_(block.c.account_id == _QUOTER, block.c.target_id == post.c.author_id),
            and_(block.c.account_id == post.c.author_id, block.c.target_id == _QUOTER),
        ),
    )
    return (
        select(
            post.c.id,
            post.c.author_id,
            post.c.visibility,
            post.c.quote_policy,
            account.c.username.label("author"),
            account.c.iri.label("author_iri"),
            case((follows, 1), else_=0).label("follows"),
            case((followed, 1), else_=0).label("followed"),
            case((blocks, 1), else_=0).label("blocks"),
        )
        .join(account, account.c.id == post.c.author_id)
        .where(
            post.c.iri == bindparam("iri"),
            post.c.local.is_(True),
            post.c.local_only.is_(False),
            post.c.boost_of_id.is_(None),
            eyes.visible(post),
        )
    )
