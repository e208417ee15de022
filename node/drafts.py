"""What somebody writes, before it is a post: checked, read and rendered; and how far it may travel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, bindparam, select

from activitypub.audience import Visibility
from node import accounts, contents, languages, plans, polls, search, text
from node.accounts.finding import acct
from node.config import Settings
from node.errors import Forbidden, Invalid
from node.runtime import Tx
from node.schema import account, login
from node.schema.meta import Id
from node.viewer import Kind

MAX_MENTIONS = 100
"""People one post may call: each costs a notification or a delivery."""

_AUTHOR = (
    select(
        account.c.id,
        account.c.username,
        account.c.iri,
        account.c.followers_iri,
        account.c.suspended_at,
        account.c.gone_at,
        login.c.default_visibility,
        login.c.default_local_only,
        login.c.default_sensitive,
        login.c.default_language,
        login.c.default_quote_policy,
        contents.watched(account.c.id).label("watched"),
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
    quoted_id: int | None = None
    quote_policy: int | None = None
    """A `quotes.Policy`."""
    media_ids: Sequence[int] = ()
    poll: polls.Asked | None = None
    plan: plans.Plan | None = None
    """Makes it an event; see node/gatherings.py."""
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
    poll: polls.Asked | Literal[False] | None = None
    """False takes it away."""


@dataclass(frozen=True, slots=True)
class Audience:
    visibility: Visibility
    local_only: bool

    def within(self, other: "Audience") -> "Audience":
        """The narrower of both: nothing travels further than what it answers or boosts."""
        return Audience(max(self.visibility, other.visibility), self.local_only or other.local_only)


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as far as it is understood without a database, see `read`."""

    body: str
    spoiler: str
    department: bool
    """It ends with the marker of the audience "department"."""
    found: text.Written
    entry: str
    """What search finds it by, as of `search.entry`."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A text as it is stored, and whom and what it names. `mentioned` are rows of `account`."""

    text: str
    content: str
    spoiler: str
    mentioned: Sequence[Row[Any]]
    tags: tuple[str, ...]
    links: tuple[str, ...]
    entry: str


def audience_of(row: Row[Any]) -> Audience:
    """Of a post's row."""
    return Audience(Visibility(row.visibility), bool(row.local_only))


def kind(draft: Draft) -> str:
    """The type of the post on the wire. Raises Invalid for a poll that would be an event as well."""
    if draft.poll is not None and draft.plan is not None:
        raise Invalid("An event cannot have a poll.", field="poll")
    return plans.KIND if draft.plan is not None else "Note" if draft.poll is None else "Question"


def author(tx: Tx) -> Row[Any]:
    """The acting person with the defaults for their posts (None without a login), and whether somebody is told of each
    (`watched`). Forbidden for anybody else."""
    row = None
    if tx.viewer.kind is Kind.PERSON:
        row = tx.first(_AUTHOR, {"author": tx.viewer.account_id})
    if row is None or row.suspended_at is not None or row.gone_at is not None:
        raise Forbidden
    return row


def read(written: str, spoiler: str, settings: Settings) -> Reading:
    """What a text and its warning say. Raises Invalid if they are too long, or nothing that can be stored.

    Pure, and a tenth to a third of the work of publishing, so a caller that has the text before the transaction does it
    there.
    """
    body, department = text.marker_local_only(written)
    spoiler = spoiler.strip()
    if not body.strip() and spoiler:
        body, spoiler = spoiler, ""
    domain = settings.node.domain
    found = text.analyse(body, local_domain=domain)
    length = found.length + (text.analyse(spoiler, local_domain=domain).length if spoiler else 0)
    limit = settings.posts.max_characters
    if length > limit:
        raise Invalid(f"Validation failed: Text character limit of {limit} exceeded", field="status")
    plain = f"{spoiler}\n{body}" if spoiler else body
    entry = search.entry(plain, "sqlite" if settings.is_sqlite else "postgresql")
    return Reading(body, spoiler, department, found, entry)


def audience(draft: Draft, reading: Reading, author: Row[Any], parent: Audience | None) -> Audience:
    """How far a post travels: as asked or as the author is used to, and no further than what it answers."""
    local_only = bool(author.default_local_only) if draft.local_only is None else draft.local_only
    visibility = Visibility(author.default_visibility or 0) if draft.visibility is None else draft.visibility
    asked = Audience(visibility, local_only or reading.department)
    return asked if parent is None else asked.within(parent)


def compose(tx: Tx, reading: Reading, *, local_only: bool, has_media: bool) -> Composed:
    """Render a text. Raises Invalid if it is empty, or calls people whom the post cannot reach."""
    body, found = reading.body, reading.found
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
        spoiler=reading.spoiler,
        mentioned=list({row.id: row for row in mentioned.values()}.values()),
        tags=tuple(tag.display for tag in found.tags),
        links=found.links,
        entry=reading.entry,
    )


def refuse_departed(tx: Tx, mentioned: Sequence[Row[Any]]) -> None:
    """Raises Invalid if somebody is called whose node is no peer of the company any more."""
    for row in mentioned:
        if not tx.node.company.reaches(row.domain):
            raise Invalid(f"@{acct(row)} cannot be reached: that node is not one of the company.", field="status")


def refuse_new_audience(reading: Reading, *, local_only: bool) -> None:
    """Raises Invalid for an edit that asks for the department alone, when the post has gone further already."""
    if not local_only and reading.department:
        raise Invalid("Who may see a post cannot be changed afterwards: delete it and write it again.", field="status")


def language(asked: str | None, default: str | None = None) -> str | None:
    return languages.checked(asked) if asked else default


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
