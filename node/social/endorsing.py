"""Endorsements: whom of those that they follow somebody recommends on their profile. Everybody sees them."""

from typing import Any

from sqlalchemy import bindparam, delete, select

from node import accounts, db
from node.accounts.finding import acct
from node.accounts.lookup import me
from node.errors import Invalid
from node.runtime import Tx
from node.schema import account, featured_person, follow
from node.schema.meta import Id

_OF, _TARGET = bindparam("of", type_=Id), bindparam("target", type_=Id)
_FOLLOWED = select(follow.c.id).where(
    follow.c.follower_id == _OF, follow.c.target_id == _TARGET, follow.c.state == "accepted"
)
_DROP = delete(featured_person).where(featured_person.c.account_id == _OF, featured_person.c.target_id == _TARGET)
_OWNER, _PERSON = account.alias(), account.alias()
_LINES = (
    select(
        featured_person.c.id,
        _OWNER.c.username,
        _OWNER.c.domain,
        _PERSON.c.username.label("target_username"),
        _PERSON.c.domain.label("target_domain"),
    )
    .join(_OWNER, _OWNER.c.id == featured_person.c.account_id)
    .join(_PERSON, _PERSON.c.id == featured_person.c.target_id)
    .where(featured_person.c.id > bindparam("after", type_=Id))
    .order_by(featured_person.c.id)
    .limit(500)
)


def endorse(tx: Tx, target_id: int) -> None:
    """Recommend somebody; twice is once. Invalid unless the viewer follows them, NotFound for whom there is not."""
    pair = {"of": me(tx), "target": accounts.get(tx, target_id).id}
    if tx.first(_FOLLOWED, pair) is None:
        raise Invalid("Validation failed: You must be already following the person you want to endorse")
    row = {"id": tx.new_id(), "account_id": pair["of"], "target_id": pair["target"], "created_at": tx.now}
    tx.execute(db.insert_or_ignore(tx.dialect, featured_person, ["account_id", "target_id"]), row)


def unendorse(tx: Tx, target_id: int) -> None:
    tx.execute(_DROP, {"of": me(tx), "target": accounts.get(tx, target_id).id})


def unfollowed(tx: Tx, follower_id: int, target_id: int) -> None:
    """A follow ended, by whomever: whom one does not follow one does not recommend."""
    tx.execute(_DROP, {"of": follower_id, "target": target_id})


def lines(tx: Tx, after: int) -> tuple[list[dict[str, Any]], int, set[str]]:
    """A page of `endorsements.jsonl` (see node.exporting)."""
    rows = tx.rows(_LINES, {"after": after})
    made = []
    for row in rows:
        domain = f"@{row.target_domain}" if row.target_domain else ""
        made.append({"owner": acct(row), "person": f"{row.target_username}{domain}"})
    return made, rows[-1].id if rows else after, set()
