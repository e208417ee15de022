"""Consent to quotes, as we send it: requests, their answers, and the Delete of a stamp (FEP-044f, protocol R57)."""

from typing import Any

from sqlalchemy import and_, bindparam, select

from activitypub import build
from activitypub.documents import QuoteAuthorization
from activitypub.vocabulary import PUBLIC, Iri
from node.federation import delivery, recipients, render
from node.outgoing import Published
from node.runtime import Tx
from node.schema import account, post, quote
from node.schema.meta import Id

Doc = dict[str, Any]

_QUOTED, _QUOTED_AUTHOR = post.alias("quoted"), account.alias("quoted_author")
_STAMPED = (
    select(
        quote.c.stamp_iri,
        quote.c.quoted_iri,
        post.c.iri.label("quoting_iri"),
        post.c.author_id,
        post.c.local,
        _QUOTED.c.id.label("quoted_id"),
        _QUOTED.c.visibility,
        _QUOTED_AUTHOR.c.id.label("quoted_author_id"),
        _QUOTED_AUTHOR.c.iri.label("quoted_author_iri"),
    )
    .join_from(quote, post, post.c.id == quote.c.post_id)
    .join(_QUOTED, and_(_QUOTED.c.id == quote.c.quoted_id, _QUOTED.c.local.is_(True), _QUOTED.c.local_only.is_(False)))
    .join(_QUOTED_AUTHOR, _QUOTED_AUTHOR.c.id == _QUOTED.c.author_id)
    .where(quote.c.post_id == bindparam("of", type_=Id))
)
_ASKED = select(account.c.iri).where(account.c.id == bindparam("of", type_=Id))


def ask(tx: Tx, new: Published) -> None:
    """Ask the author of what one of ours has just quoted, if it is somebody of a peer's. The post goes along."""
    if new.quote is None or new.quote.asked is None:
        return
    author_iri, asked = Iri(new.author_iri), tx.scalar(_ASKED, {"of": new.quote.asked})
    note = render.activity_of_new(tx, new)["object"]
    iri = Iri(tx.urls.activity(author_iri, "QuoteRequest", new.post.id))
    doc = build.quote_request(note, iri=iri, actor=author_iri, to=[Iri(asked)])
    to = recipients.one(tx, new.quote.asked)
    delivery.enqueue(tx, doc, actor_id=new.post.author_id, about=new.post.iri, key=new.post.iri, to=to)


def answer(tx: Tx, asked: Doc, *, by: tuple[int, str], to: int, stamp: str | None) -> None:
    """Accept a QuoteRequest with its stamp, or reject it without. `asked` is {"id", "type", "actor", "object",
    "instrument"}, `by` the quoted author (id, iri), `to` the account that asked.
    """
    author_id, author = by[0], Iri(by[1])
    kind = "Reject" if stamp is None else "Accept"
    iri, receiver = Iri(tx.urls.activity(author, kind, tx.new_id())), [Iri(asked["actor"])]
    if stamp is None:
        doc = build.reject(asked, iri=iri, actor=author, to=receiver)
    else:
        doc = build.accept_quote(asked, Iri(stamp), iri=iri, actor=author, to=receiver)
    key = asked["instrument"]
    delivery.enqueue(tx, doc, actor_id=author_id, about=asked["id"], key=key, to=recipients.one(tx, to))


def withdraw(tx: Tx, post_id: int) -> None:
    """Delete of the stamp, to whoever may show the quote: the quoting author and all who may have the quoted post."""
    row = tx.first(_STAMPED, {"of": post_id})
    if row is None or row.stamp_iri is None:
        return
    to = recipients.involved(tx, row.quoted_author_id, row.quoted_id, row.visibility)
    to += [one for one in recipients.one(tx, row.author_id) if one.domain not in {known.domain for known in to}]
    author = Iri(row.quoted_author_iri)
    doc = build.delete(stamp_of(row), iri=Iri(f"{row.stamp_iri}#delete"), actor=author, to=[PUBLIC])
    delivery.enqueue(tx, doc, actor_id=row.quoted_author_id, about=row.stamp_iri, key=row.quoting_iri, to=to)


def stamp_of(row: Any) -> Doc:
    """The QuoteAuthorization of a row with stamp_iri, quoted_author_iri, quoting_iri and quoted_iri."""
    return build.quote_authorization(
        QuoteAuthorization(
            iri=Iri(row.stamp_iri),
            author=Iri(row.quoted_author_iri),
            quoting=Iri(row.quoting_iri),
            quoted=Iri(row.quoted_iri),
        )
    )
