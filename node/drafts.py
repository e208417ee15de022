"""What somebody writes, before it is a post: checked, read and rendered; and how far it may travel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select

from activitypub.audience import Visibility
from node import accounts, text
from node.accounts.finding import acct
from node.errors import Forbidden, Invalid
from node.runtime import Tx
from node.schema import account, login
from node.schema.meta import Id
from node.viewer import Kind

MAX_MENTIONS = 100
"""People one post may call: each costs a notification or a delivery."""
MAX_LANGUAGE = 35

_AUTHOR = (
    select(
        account.c.id,
        account.c.username,
        account.c.iri,
        account.c.suspended_at,
        account.c.gone_at,
        login.c.default_visibility,
        login.c.default_local_only,
        login.c.default_sensitive,
        login.c.default_language,
    )
    .join_from(account, login, login.c.account_id == account.c.id, isouter=True)
    .where(account.c.id == bindparam("author", type_=Id), account.c.domain.is_(None))
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A post to be. None stands for the author's own default; `local_only` is the audience "department"."""

    text: str
    spoiler: str = ""
    sensitive: bool | None = None
    visibility: Visibility | None = None
    local_only: bool | None = None
    language: str | None = None
    in_reply_to_id: int | None = None
    media_ids: Sequence[int] = ()
    idempotency_key: str | None = None
    """As the client sent it: the same key yields the same post."""
    app_id: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """An edit; None leaves things as they are. There is no audience among them: it cannot be changed."""

    text: str | None = None
    spoiler: str | None = None
    sensitive: bool | None = None
    language: str | None = None
    media_ids: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    visibility: Visibility
    local_only: bool

    def within(self, other: "Audience") -> "Audience":
        """The narrower of both: nothing travels further than what it answers or boosts."""
        return Audience(max(self.visibility, other.visibility), self.local_only or other.local_only)


@dataclass(frozen=True, slots=True)
class Composed:
    """A text as it is stored, and whom and what it names. `mentioned` are rows (id, domain, …) of accounts."""

    text: str
    content: str
    spoiler: str
    mentioned: Sequence[Row[Any]]
    tags: tuple[str, ...]
    links: tuple[str, ...]

    @property
    def plain(self) -> str:
        """What search finds it by."""
        return f"{self.spoiler}\n{self.text}" if self.spoiler else self.text


def audience_of(row: Row[Any]) -> Audience:
    """Of a post's row."""
    return Audience(Visibility(row.visibility), bool(row.local_only))


def author(tx: Tx) -> Row[Any]:
    """The acting person with the defaults for their posts (None without a login). Forbidden for anybody else."""
    row = None
    if tx.viewer.kind is Kind.PERSON:
        row = tx.first(_AUTHOR, {"author": tx.viewer.account_id})
    if row is None or row.suspended_at is not None or row.gone_at is not None:
        raise Forbidden
    return row


def audience(draft: Draft, author: Row[Any], parent: Audience | None) -> Audience:
    """How far a post travels: as asked or as the author is used to, and no further than what it answers."""
    _, marked = text.marker_local_only(draft.text)
    local_only = bool(author.default_local_only) if draft.local_only is None else draft.local_only
    visibility = Visibility(author.default_visibility or 0) if draft.visibility is None else draft.visibility
    asked = Audience(visibility, local_only or marked)
    return asked if parent is None else asked.within(parent)


def compose(tx: Tx, written: str, spoiler: str, *, local_only: bool, has_media: bool) -> Composed:
    """Read and render a text. Raises Invalid if it is empty, too long, or calls people whom the post cannot reach."""
    body, _ = text.marker_local_only(written)
    spoiler = spoiler.strip()
    if not body.strip() and spoiler:
        body, spoiler = spoiler, ""
    found = text.analyse(body, local_domain=tx.urls.domain)
    length = found.length + (text.analyse(spoiler, local_domain=tx.urls.domain).length if spoiler else 0)
    limit = tx.settings.posts.max_characters
    if length > limit:
        raise Invalid(f"Validation failed: Text character limit of {limit} exceeded", field="status")
    if not body.strip() and not has_media:
        raise Invalid("Validation failed: Text can't be blank", field="status")
    if local_only:
        _refuse_distant(found.mentions)
    mentioned = _mentioned(tx, found.mentions)
    return Composed(
        text=body,
        content=text.render(
            body, found, {key: (row.url, acct(row)) for key, row in mentioned.items()}, tx.urls.tag_page
        ),
        spoiler=spoiler,
        mentioned=list({row.id: row for row in mentioned.values()}.values()),
        tags=tuple(tag.display for tag in found.tags),
        links=found.links,
    )


def refuse_new_audience(written: str, *, local_only: bool) -> None:
    """Raises Invalid for an edit that asks for the department alone, when the post has gone further already."""
    if not local_only and text.marker_local_only(written)[1]:
        raise Invalid("Who may see a post cannot be changed afterwards: delete it and write it again.", field="status")


def language(asked: str | None, default: str | None = None) -> str | None:
    if asked is not None and len(asked) > MAX_LANGUAGE:
        raise Invalid("That is no language.", field="language")
    return asked or default


def _refuse_distant(mentions: Sequence[text.MentionRef]) -> None:
    """Also for people who are not known here: whoever writes a name with a domain believes that it will be read there."""
    for ref in mentions:
        if ref.domain is not None:
            raise Invalid(
                f"@{ref.username}@{ref.domain} cannot be reached: this post stays within the department.",
                field="status",
            )


def _mentioned(tx: Tx, mentions: Sequence[text.MentionRef]) -> dict[tuple[str, str | None], Row[Any]]:
    """The accounts that are mentioned and known here, by (username, domain) as in the text."""
    if len({(ref.username.casefold(), ref.domain) for ref in mentions}) > MAX_MENTIONS:
        raise Invalid(f"A post can mention {MAX_MENTIONS} people at the most.", field="status")
    found = accounts.resolve(tx, mentions)
    return {key: row for key, row in found.items() if row.iri != tx.urls.node_actor}
