"""Notes that somebody keeps on other people, for themselves alone: nobody else is ever shown one."""

from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from node import accounts
from node.accounts.finding import acct
from node.accounts.lookup import me
from node.errors import Invalid
from node.runtime import Tx
from node.schema import account, account_note
from node.schema.meta import Id

MAX_NOTE = 2000
"""Characters, as in Mastodon."""

_VALUES = {"of": bindparam("of", type_=Id), "target": bindparam("target", type_=Id)}
_DROP = delete(account_note).where(
    account_note.c.account_id == _VALUES["of"], account_note.c.target_id == _VALUES["target"]
)
_INSERT = insert(account_note)
_OWNER, _TARGET = account.alias(), account.alias()
_LINES = (
    select(
        account_note,
        _OWNER.c.username,
        _OWNER.c.domain,
        _TARGET.c.username.label("target_username"),
        _TARGET.c.domain.label("target_domain"),
    )
    .join(_OWNER, _OWNER.c.id == account_note.c.account_id)
    .join(_TARGET, _TARGET.c.id == account_note.c.target_id)
    .where(account_note.c.id > bindparam("after", type_=Id))
    .order_by(account_note.c.id)
    .limit(500)
)


def write(tx: Tx, target_id: int, note: str) -> None:
    """Keep a note on somebody instead of the one before; an empty one is none. Raises NotFound, Invalid."""
    owner, target = me(tx), accounts.get(tx, target_id)
    if len(note) > MAX_NOTE:
        raise Invalid(f"Comment is too long (maximum is {MAX_NOTE} characters)", "comment")
    tx.execute(_DROP, {"of": owner, "target": target.id})
    if note:
        row = {"id": tx.new_id(), "account_id": owner, "target_id": target.id, "note": note, "updated_at": tx.now}
        tx.execute(_INSERT, row)


def lines(tx: Tx, after: int) -> tuple[list[dict[str, Any]], int, set[str]]:
    """A page of `notes.jsonl` (see node.exporting)."""
    rows = tx.rows(_LINES, {"after": after})
    made = []
    for row in rows:
        domain = f"@{row.target_domain}" if row.target_domain else ""
        made.append({"owner": acct(row), "on": f"{row.target_username}{domain}", "note": row.note})
    return made, rows[-1].id if rows else after, set()
