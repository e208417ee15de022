"""The rules of the department: what people here agree to, and what reports may be about.

A rule that was taken away is shown no more, but stays: a report names what was broken then.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update

from node import accounts
from node.accounts.lookup import checked
from node.errors import Invalid, NotFound
from node.runtime import Tx
from node.schema import rule
from node.schema.meta import Id

MAX_TEXT = 300
MAX_HINT = 2000

_OF = bindparam("of", type_=Id)
_SHOWN = select(rule).where(rule.c.deleted_at.is_(None)).order_by(rule.c.position, rule.c.id)
_LAST = select(func.coalesce(func.max(rule.c.position), 0)).where(rule.c.deleted_at.is_(None))
_INSERT = insert(rule).returning(rule.c.id)
_DELETE = update(rule).where(rule.c.id == _OF, rule.c.deleted_at.is_(None)).values(deleted_at=bindparam("at"))
_PLACE = update(rule).where(rule.c.id == _OF).values(position=bindparam("place"))


def shown(tx: Tx) -> Sequence[Row[Any]]:
    """Rows of `rule` that are in force, in their order."""
    return tx.rows(_SHOWN)


def add(tx: Tx, text: str, hint: str = "") -> int:
    """A new rule after the others. Returns its id; Invalid for an empty or too long one."""
    accounts.require_role(tx, "admin")
    written = _line(checked(text, "text", MAX_TEXT))
    if not written:
        raise Invalid("Text can't be blank", "text")
    row = {
        "text": written,
        "hint": _line(checked(hint, "hint", MAX_HINT)),
        "position": int(tx.scalar(_LAST)) + 1,
        "created_at": tx.now,
    }
    rule_id = int(tx.scalar(_INSERT, row))
    tx.audit("rule.add", f"rule:{rule_id}", {"text": written})
    return rule_id


def remove(tx: Tx, rule_id: int) -> None:
    """Take a rule out of force. NotFound."""
    accounts.require_role(tx, "admin")
    _there(tx, rule_id)
    tx.execute(_DELETE, {"of": rule_id, "at": tx.now})
    tx.audit("rule.remove", f"rule:{rule_id}")


def move(tx: Tx, rule_id: int, place: int) -> None:
    """Make a rule the one at `place`, counted from 1; beyond the end it is the last. NotFound."""
    accounts.require_role(tx, "admin")
    ids = _there(tx, rule_id)
    ids.remove(rule_id)
    ids.insert(max(place, 1) - 1, rule_id)
    for position, one in enumerate(ids, start=1):
        tx.execute(_PLACE, {"of": one, "place": position})
    tx.audit("rule.move", f"rule:{rule_id}", {"place": ids.index(rule_id) + 1})


def _line(text: str) -> str:
    return " ".join(text.split())


def _there(tx: Tx, rule_id: int) -> list[int]:
    """The ids of the rules in force, of which this is one."""
    ids = [int(row.id) for row in shown(tx)]
    if rule_id not in ids:
        raise NotFound(f"There is no rule {rule_id}.")
    return ids
