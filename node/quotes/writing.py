"""A local person quotes something: may they, how far may it travel, and what is shown where quotes are not known."""

import html
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, case, or_, select

from activitypub.audience import Visibility
from node import sight
from node.contents import NewPost
from node.drafts import Audience, Composed
from node.errors import Invalid, NotFound
from node.quotes.policy import Answer, answer, effective
from node.quotes.states import Quoted, State, count, store, tell_quoted
from node.runtime import Tx
from node.schema import account, block, follow, post
from node.schema import quote as quote_table
from node.schema.meta import Id
from node.sight import Sight, some
from node.viewer import person, remote

_NOT_FOUND = "The post you are trying to quote does not appear to exist."
_ID = bindparam("id", type_=Id)
_ME, _OTHER = bindparam("me", type_=Id), bindparam("other", type_=Id)
_BETWEEN = select(
    case(
        (some(follow, follow.c.follower_id == _ME, follow.c.target_id == _OTHER, follow.c.state == "accepted"), 1),
        else_=0,
    ).label("follows"),
    case(
        (some(follow, follow.c.follower_id == _OTHER, follow.c.target_id == _ME, follow.c.state == "accepted"), 1),
        else_=0,
    ).label("followed"),
    case(
        (
            some(
                block,
                or_(
                    and_(block.c.account_id == _ME, block.c.target_id == _OTHER),
                    and_(block.c.account_id == _OTHER, block.c.target_id == _ME),
                ),
            ),
            1,
        ),
        else_=0,
    ).label("blocks"),
)
_LINKED = (
    select(quote_table.c.quoted_iri, post.c.url, post.c.iri)
    .select_from(quote_table.outerjoin(post, post.c.id == quote_table.c.quoted_id))
    .where(quote_table.c.post_id == _ID)
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A post that the acting person may quote, and the audience that the quote has."""

    id: int
    iri: str
    url: str
    author_id: int
    author_name: str
    author_domain: str | None
    visibility: Visibility
    is_mine: bool


def chosen(tx: Tx, post_id: int | None, author_id: int, *, local_only: bool) -> Chosen | None:
    """The post to be quoted, of a boost what it boosts; None if none is asked for.

    Raises NotFound for what the person may not see. Invalid for what may not be quoted by them, or would leave the
    department by it: quotes travel no further than what they quote.
    """
    if post_id is None:
        return None
    row = sight.first(tx, _visible, {"id": post_id})
    if row is not None and row.boost_of_id is not None:
        row = sight.first(tx, _visible, {"id": row.boost_of_id})
    if row is None:
        raise NotFound(_NOT_FOUND)
    mine = row.author_id == author_id
    _refuse(tx, row, author_id, mine=mine)
    if row.local_only and not local_only:
        raise Invalid(
            "What you quote stays within the department, and so must the quote: choose the department as its audience.",
            field="quoted_status_id",
        )
    if local_only and not row.local:
        raise Invalid(
            "A post that stays within the department cannot quote one of another node: its author has to be asked.",
            field="quoted_status_id",
        )
    url = row.url or row.iri
    return Chosen(row.id, row.iri, url, row.author_id, row.username, row.domain, Visibility(row.visibility), mine)


def _refuse(tx: Tx, row: Row[Any], author_id: int, *, mine: bool) -> None:
    if row.visibility == Visibility.DIRECT:
        raise Invalid("Private mentions cannot be quoted.", field="quoted_status_id")
    if mine:
        return
    between = tx.first(_BETWEEN, {"me": author_id, "other": row.author_id})
    policy = effective(row.quote_policy, local=row.local, visibility=row.visibility)
    if between is None or between.blocks:
        expected = Answer.DENIED
    else:
        expected = answer(policy, follows=bool(between.follows), followed=bool(between.followed))
    if expected is Answer.DENIED or (row.local and expected is not Answer.AUTOMATIC):
        raise Invalid("Its author does not let you quote this post.", field="quoted_status_id")


def attach(tx: Tx, new: NewPost, author_iri: str, quoted: Chosen | None) -> Quoted | None:
    """Make a stored post a quote: accepted at once if what it quotes is of this node, else its author is to be asked.

    Raises Invalid if a peer's author, or anybody who is quoted in a private mention, would not see who quotes them.
    """
    if quoted is None:
        return None
    if not quoted.is_mine and (quoted.author_domain is not None or new.visibility == Visibility.DIRECT):
        _refuse_unseen(tx, new.id, quoted)
    if quoted.author_domain is not None:
        request = tx.urls.activity(author_iri, "QuoteRequest", new.id)
        store(tx, new.id, quoted.iri, quoted_id=quoted.id, request_iri=request)
        return Quoted(quoted.iri, None, quoted.author_id)
    # Nobody elsewhere sees a quote that stays here, and to one's own posts one needs no consent.
    unstamped = quoted.is_mine or new.local_only
    stamp = None if unstamped else tx.urls.quote_authorization(quoted.author_name, new.id)
    store(tx, new.id, quoted.iri, quoted_id=quoted.id, stamp_iri=stamp, state=State.ACCEPTED)
    count(tx, quoted.id, 1)
    tell_quoted(tx, quoted.author_id, new.author_id, new.id)
    return Quoted(quoted.iri, stamp, None)


def _refuse_unseen(tx: Tx, post_id: int, quoted: Chosen) -> None:
    domain = quoted.author_domain
    viewer = person(quoted.author_id) if domain is None else remote(quoted.author_id, domain)
    values = {"id": post_id, "viewer": quoted.author_id, "now": tx.now}
    if tx.first(sight.statement(viewer, _visible), values) is None:
        name = quoted.author_name if domain is None else f"{quoted.author_name}@{domain}"
        raise Invalid(
            f"@{name} could not see that you quote them: mention them, or write for more people.", field="visibility"
        )


def narrowed(asked: Audience, quoted: Chosen | None) -> Audience:
    """What quotes a post for followers is for followers at the most. Not listed is no narrower than public."""
    if quoted is None or quoted.visibility <= Visibility.UNLISTED:
        return asked
    return asked.within(Audience(quoted.visibility, local_only=False))


def linked(composed: Composed, quoted: Chosen | None) -> Composed:
    """With the link that stands for the quote where quotes are not known, unless the text has that link."""
    if quoted is None:
        return composed
    return replace(composed, content=_linked(composed.content, composed.links, quoted.url, quoted.iri))


def link_of(tx: Tx, post_id: int) -> tuple[str, str] | None:
    """(page, id) of what a post quotes; None if it quotes nothing."""
    row = tx.first(_LINKED, {"id": post_id})
    return None if row is None else (row.url or row.quoted_iri, row.quoted_iri)


def relinked(composed: Composed, link: tuple[str, str] | None) -> Composed:
    """The same for an edit, by what `link_of` gave."""
    return composed if link is None else replace(composed, content=_linked(composed.content, composed.links, *link))


def _linked(content: str, links: Collection[str], url: str, iri: str) -> str:
    if url in links or iri in links:
        return content
    href = html.escape(url, quote=True)
    anchor = f'<a href="{href}" rel="nofollow noopener noreferrer" target="_blank">{href}</a>'
    return f'<p class="quote-inline">RE: {anchor}</p>{content}'


def _visible(eyes: Sight) -> Select[Any]:
    return (
        select(
            post.c.id,
            post.c.iri,
            post.c.url,
            post.c.author_id,
            post.c.local,
            post.c.local_only,
            post.c.boost_of_id,
            post.c.visibility,
            post.c.quote_policy,
            account.c.username,
            account.c.domain,
        )
        .join(account, account.c.id == post.c.author_id)
        .where(post.c.id == _ID, eyes.visible(post))
    )
