"""What a person says about themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from activitypub.audience import Visibility
from node import languages, media, text
from node.accounts import finding, indexing, lookup
from node.accounts.creation import MAX_DISPLAY_NAME
from node.accounts.lookup import checked, me
from node.errors import Invalid
from node.html import plain
from node.runtime import Tx
from node.schema import account, login

MAX_NOTE = 500
MAX_FIELDS = 4
MAX_FIELD = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanges:
    """None leaves a value as it is. `note` and the values of `fields` (name, value) are plain text, as written.

    `avatar` and `header` are names of files in the media folder; "" takes the picture away, as "" does for
    `default_language`.
    """

    display_name: str | None = None
    note: str | None = None
    fields: Sequence[tuple[str, str]] | None = None
    avatar: str | None = None
    header: str | None = None
    locked: bool | None = None
    bot: bool | None = None
    discoverable: bool | None = None
    indexable: bool | None = None
    default_visibility: Visibility | None = None
    default_sensitive: bool | None = None
    default_language: str | None = None
    default_local_only: bool | None = None
    default_quote_policy: int | None = None


def update_profile(tx: Tx, changes: ProfileChanges) -> None:
    """Change the viewer's own profile and posting defaults. Raises Invalid with the field's name.

    Pictures that are replaced become unattached media, which housekeeping removes.
    """
    row = lookup.get(tx, me(tx))
    defaults = _defaults(changes)
    if defaults:
        tx.execute(update(login).where(login.c.account_id == row.id).values(**defaults))
    values = {name: value for name, value in _profile(tx, changes).items() if getattr(row, name) != value}
    if not values:
        return
    replaced = [getattr(row, name) for name in ("avatar", "header") if name in values]
    media.retire(tx, row.id, [name for name in replaced if name])
    statement = update(account).where(account.c.id == row.id)
    tx.execute(statement.values(**values, rev=account.c.rev + 1, updated_at=tx.now))
    indexing.index(tx, [row.id], values)
    tx.outgoing.profile_changed(tx, row.id)


def _defaults(changes: ProfileChanges) -> dict[str, Any]:
    values: dict[str, Any] = {
        "default_visibility": None if changes.default_visibility is None else int(changes.default_visibility),
        "default_sensitive": changes.default_sensitive,
        "default_local_only": changes.default_local_only,
        "default_quote_policy": changes.default_quote_policy,
    }
    values = {name: value for name, value in values.items() if value is not None}
    if changes.default_visibility is Visibility.DIRECT:
        raise Invalid("posts cannot go to nobody by default", "privacy")
    if changes.default_language is not None:
        values["default_language"] = languages.checked(changes.default_language) if changes.default_language else None
    return values


def _profile(tx: Tx, changes: ProfileChanges) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: value
        for name in ("locked", "bot", "discoverable", "indexable")
        if (value := getattr(changes, name)) is not None
    }
    if changes.display_name is not None:
        shown = checked(changes.display_name, "display_name", MAX_DISPLAY_NAME)
        values["display_name"] = plain(shown, limit=MAX_DISPLAY_NAME)
    if changes.bot is not None:
        values["actor_type"] = "Service" if changes.bot else "Person"
    if changes.avatar is not None:
        values["avatar"] = changes.avatar or None
    if changes.header is not None:
        values["header"] = changes.header or None
    return values | _written(tx, changes)


def _written(tx: Tx, changes: ProfileChanges) -> dict[str, Any]:
    """Bio and fields: mentions in all of them are looked up with one query."""
    pairs = [] if changes.fields is None else _checked_fields(changes.fields)
    note = "" if changes.note is None else _checked_note(changes.note)
    domain = tx.settings.node.domain
    found = {value: text.analyse(value, local_domain=domain) for value in (note, *(value for _, value in pairs))}
    if found[note].length > MAX_NOTE:
        raise Invalid(f"is too long (maximum is {MAX_NOTE} characters)", "note")
    people = finding.resolve(tx, [ref for written in found.values() for ref in written.mentions])
    links = {ref: (row.url, finding.acct(row)) for ref, row in people.items()}
    values: dict[str, Any] = {}
    if changes.note is not None:
        values |= {"note_source": note, "note": text.render(note, found[note], links, tx.urls.tag_page)}
    if changes.fields is not None:
        values["fields"] = [_field(tx, name, value, found[value], links) for name, value in pairs]
    return values


def _field(
    tx: Tx, name: str, value: str, written: text.Written, links: Mapping[tuple[str, str | None], tuple[str, str]]
) -> dict[str, str | None]:
    shown = text.render(value, written, links, tx.urls.tag_page).removeprefix("<p>").removesuffix("</p>")
    return {"name": name, "value": shown, "source": value, "verified_at": None}


def _checked_note(note: str) -> str:
    # Links count for less than they take, so the bound on what is stored is a wider one.
    return checked(note, "note", 20 * MAX_NOTE).replace("\r\n", "\n").strip()


def _checked_fields(fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    pairs = [
        (plain(checked(name, "fields", MAX_FIELD)), " ".join(checked(value, "fields", MAX_FIELD).split()))
        for name, value in fields
    ]
    pairs = [(name, value) for name, value in pairs if name or value]
    if len(pairs) > MAX_FIELDS:
        raise Invalid(f"may have {MAX_FIELDS} rows", "fields")
    if any(not name for name, _ in pairs):
        raise Invalid("need a label for every value", "fields")
    return pairs
