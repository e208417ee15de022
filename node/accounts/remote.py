"""What peers say about their people, as it is kept here."""

from typing import Any

from sqlalchemy import bindparam, delete, insert, or_, select, update

from activitypub.documents import Actor, PublicKey
from activitypub.vocabulary import is_iri, same_origin
from node import db
from node.accounts import indexing
from node.accounts.creation import MAX_DISPLAY_NAME
from node.accounts.lookup import storable
from node.accounts.standing import MAX_WORK
from node.errors import Invalid, NotFound
from node.html import plain, sanitise
from node.ids import AccountId
from node.runtime import Tx
from node.schema import account, account_key, tombstone

MAX_FIELDS = 16
MAX_FIELD = 2047

_SAME = select(account).where(or_(account.c.iri == bindparam("iri"), account.c.handle == bindparam("handle")))
_KEYS = select(account_key.c.iri, account_key.c.kind, account_key.c.public).where(
    account_key.c.account_id == bindparam("of"), account_key.c.revoked_at.is_(None)
)
_DROP_KEYS = delete(account_key).where(account_key.c.account_id == bindparam("of"))
_FETCHED = update(account).where(account.c.id == bindparam("of")).values(fetched_at=bindparam("at"))
_INSERT = insert(account)
# An account is deleted by itself; what another of its server deletes under this IRI was none.
_GRAVE = select(tombstone.c.iri).where(tombstone.c.iri == bindparam("iri"), tombstone.c.author_iri == bindparam("iri"))


def store_remote(tx: Tx, actor: Actor, *, domain: str) -> AccountId:
    """Insert or update the account of a peer's actor; `domain` (host[:port]) is that of its handle, already verified.

    What was deleted stays so (NotFound), what is suspended here is left as it is. If another actor had the handle, it
    loses it: the domain says whose the name is now. Raises Invalid for an actor that cannot be an account.
    """
    handle = _handle(tx, actor, domain)
    rows = {row.iri: row for row in tx.rows(_SAME, {"iri": actor.iri, "handle": handle})}
    existing = rows.pop(actor.iri, None)
    if existing is None and tx.first(_GRAVE, {"iri": actor.iri}) is not None:
        raise NotFound("the account was deleted")
    if existing is not None and existing.gone_at is not None:
        raise NotFound("the account was deleted")
    if existing is not None and existing.suspended_at is not None:
        return AccountId(existing.id)
    for row in rows.values():
        tx.execute(update(account).where(account.c.id == row.id).values(handle=f"{handle}#{row.id}"))
        indexing.index(tx, [row.id])
    values = _values(actor, domain) | {"handle": handle}
    if existing is None:
        account_id = _insert(tx, actor, values)
    else:
        account_id = AccountId(existing.id)
        _update(tx, existing, values)
    _store_keys(tx, account_id, actor, known=existing is not None)
    return account_id


def _handle(tx: Tx, actor: Actor, domain: str) -> str:
    if tx.urls.is_ours(actor.iri) or domain == tx.settings.node.domain:
        raise Invalid("this is an actor of this node")
    if not actor.username:
        raise Invalid("the actor has no usable preferredUsername")
    if actor.inbox is None:
        raise Invalid("the actor has no inbox of its own origin")
    handle = f"{actor.username}@{domain}".casefold()
    if len(handle) > 500 or not storable(handle):
        raise Invalid("the actor's handle cannot be stored")
    return handle


def _values(actor: Actor, domain: str) -> dict[str, Any]:
    return {
        "username": actor.username,
        "domain": domain,
        "url": actor.url or actor.iri,
        "actor_type": actor.type,
        "inbox": actor.inbox,
        "shared_inbox": actor.shared_inbox,
        "outbox": actor.outbox,
        "followers_iri": actor.followers,
        "following_iri": actor.following,
        "featured_iri": actor.featured,
        "featured_tags_iri": actor.featured_tags,
        "display_name": plain(actor.name or "", limit=MAX_DISPLAY_NAME),
        "note": sanitise(_storable(actor.summary)),
        "fields": [_field(name, value) for name, value in actor.fields[:MAX_FIELDS]],
        "avatar": actor.icon,
        "header": actor.image,
        "locked": actor.locked,
        "bot": actor.bot,
        "discoverable": actor.discoverable is not False,
        "indexable": actor.indexable,
        "title": _work(actor.title),
        "department": _work(actor.department),
        "manager_iri": actor.manager,
        "executive": actor.executive,
        "away_until": actor.away_until,
        "also_known_as": list(actor.also_known_as),
        "moved_to_iri": actor.moved_to,
    }


def _field(name: str, value: str) -> dict[str, str | None]:
    shown = sanitise(_storable(value[:MAX_FIELD]))
    return {"name": plain(name, limit=255), "value": shown, "source": None, "verified_at": None}


def _work(value: str | None) -> str | None:
    return plain(value or "", limit=MAX_WORK) or None


def _storable(markup: str | None) -> str:
    return (markup or "").replace("\x00", "")


def _insert(tx: Tx, actor: Actor, values: dict[str, Any]) -> AccountId:
    created_at = min(max(actor.published or tx.now, 0), tx.now)
    account_id = AccountId(tx.new_id(created_at))
    row = {"id": account_id, "iri": actor.iri, "created_at": created_at, "updated_at": tx.now, "fetched_at": tx.now}
    tx.execute(_INSERT, values | row)
    indexing.index(tx, [account_id])
    return account_id


def _update(tx: Tx, existing: Any, values: dict[str, Any]) -> None:
    """`rev` rises only if something is new: a profile that was merely read again keeps what is rendered of it."""
    changed = {name: value for name, value in values.items() if getattr(existing, name) != value}
    if not changed:
        tx.execute(_FETCHED, {"of": existing.id, "at": tx.now})
        return
    statement = update(account).where(account.c.id == existing.id)
    tx.execute(statement.values(**changed, rev=account.c.rev + 1, updated_at=tx.now, fetched_at=tx.now))
    indexing.index(tx, [existing.id], changed)


def _store_keys(tx: Tx, account_id: AccountId, actor: Actor, *, known: bool) -> None:
    """Replace the account's keys by those the actor lists as its own (R27)."""
    wanted = {(str(key.id), *found) for key in actor.keys if (found := _material(actor, key)) is not None}
    if known:
        if {(row.iri, row.kind, row.public) for row in tx.rows(_KEYS, {"of": account_id})} == wanted:
            return
        tx.execute(_DROP_KEYS, {"of": account_id})
    if wanted:
        rows = [
            {"account_id": account_id, "iri": iri, "kind": kind, "public": public, "created_at": tx.now}
            for iri, kind, public in sorted(wanted)
        ]
        # An IRI that another account holds stays with it: a key is moved by nobody but its owner.
        tx.execute(db.insert_or_ignore(tx.dialect, account_key, ["iri"]), rows)


def _material(actor: Actor, key: PublicKey) -> tuple[str, str] | None:
    """(kind, public) of a key that may sign for the actor, else None."""
    if key.owner != actor.iri or not same_origin(key.id, actor.iri) or not is_iri(key.id):
        return None
    if key.pem is not None:
        return ("rsa", key.pem) if storable(key.pem) else None
    return ("ed25519", key.multibase) if key.multibase and storable(key.multibase) else None
