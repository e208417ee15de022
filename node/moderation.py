"""Reports: from people here, and from peers about people here.

What is done about them are rules of `accounts` (`suspend`, `disable`, `delete_account`) and `posts.delete`.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, Text, bindparam, insert, or_, select, type_coerce, update

from node import accounts, notifications, rules, sight
from node.accounts.lookup import checked, me
from node.errors import Forbidden, Invalid, NotFound
from node.paging import Page
from node.runtime import Tx
from node.schema import account, login, post, report
from node.schema.meta import Id
from node.sight import Sight

MAX_COMMENT = 1000
MAX_POSTS = 100
CATEGORIES = ("spam", "legal", "violation", "other")


def file_report(
    tx: Tx,
    target_id: int,
    post_ids: Sequence[int] = (),
    comment: str = "",
    *,
    forward: bool = False,
    category: str = "other",
    rule_ids: Sequence[int] = (),
) -> int:
    """The viewer reports an account, and posts of it that they can see (else NotFound). Returns the report's id.

    Whoever names rules reports a violation, whatever the category. Invalid for a category or rule that there is not, and
    for a violation of none. Moderators are notified; with `forward` the department of a remote account is told as well,
    in the node's name.
    """
    reporter = me(tx)
    target = accounts.get(tx, target_id)
    if target.id == reporter:
        raise Forbidden
    wanted = list(dict.fromkeys(post_ids))[:MAX_POSTS]
    if wanted:
        seen = sight.rows(tx, _posts_of, {"ids": wanted, "author": target_id})
        if {row.id for row in seen} != set(wanted):
            raise NotFound
    broken = _broken(tx, category, rule_ids)
    forwarded = forward and target.domain is not None
    report_id = _store(
        tx,
        reporter,
        target_id,
        wanted,
        checked(comment, "comment", MAX_COMMENT),
        forwarded=forwarded,
        category="violation" if broken else category,
        rule_ids=broken,
    )
    if forwarded:
        tx.outgoing.reported(tx, report_id)
    return report_id


def receive_report(
    tx: Tx, reporter_id: int, target_id: int, post_ids: Sequence[int], comment: str | None, *, iri: str | None = None
) -> int:
    """A peer's Flag about an account of this node. The same `iri` twice is one report. Returns the report's id.

    NotFound if the account is not of this node or gone. Posts that are not its own are left out.
    """
    if iri is not None:
        stored = tx.scalar(select(report.c.id).where(report.c.iri == iri))
        if stored is not None:
            return int(stored)
    target = accounts.get(tx, target_id)
    if target.domain is not None:
        raise NotFound
    wanted = list(dict.fromkeys(post_ids))[:MAX_POSTS]
    own = select(post.c.id).where(post.c.id.in_(wanted), post.c.author_id == target_id)
    about = tx.scalars(own) if wanted else []
    words = (comment or "").replace("\x00", "")[:MAX_COMMENT]
    return _store(tx, reporter_id, target_id, about, words, iri=iri)


def reports(tx: Tx, page: Page, *, resolved: bool = False) -> list[Row[Any]]:
    """For moderators: reports, newest first."""
    accounts.require_role(tx, "moderator", "admin", "auditor")
    state = report.c.resolved_at.is_not(None) if resolved else report.c.resolved_at.is_(None)
    return page.newest_first(tx.rows(page.apply(select(report).where(state), report.c.id)))


def get(tx: Tx, report_id: int) -> Row[Any]:
    """A report, for its own reporter and for moderators; NotFound for everybody else."""
    row = tx.first(select(report).where(report.c.id == report_id))
    if row is None:
        raise NotFound
    if row.reporter_id != tx.viewer.account_id:
        try:
            accounts.require_role(tx, "moderator", "admin", "auditor")
        except Forbidden:
            raise NotFound from None
    return row


def resolve(tx: Tx, report_id: int) -> None:
    """Mark a report as dealt with."""
    accounts.require_role(tx, "moderator", "admin")
    statement = update(report).where(report.c.id == report_id, report.c.resolved_at.is_(None))
    if tx.execute(statement.values(resolved_at=tx.now)).rowcount:
        tx.audit("report.resolve", f"report:{report_id}")
    else:
        get(tx, report_id)


def _store(
    tx: Tx,
    reporter_id: int,
    target_id: int,
    post_ids: Sequence[int],
    comment: str,
    *,
    forwarded: bool = False,
    iri: str | None = None,
    category: str = "other",
    rule_ids: Sequence[int] = (),
) -> int:
    report_id = tx.new_id()
    row = {
        "id": report_id,
        "iri": iri,
        "reporter_id": reporter_id,
        "target_id": target_id,
        "post_ids": list(post_ids),
        "comment": comment,
        "forwarded": forwarded,
        "category": category,
        "rule_ids": list(rule_ids),
        "created_at": tx.now,
    }
    tx.execute(insert(report), row)
    notifications.notify_each(tx, _moderators(tx), "admin.report", reporter_id, report_id=report_id)
    return report_id


def _broken(tx: Tx, category: str, rule_ids: Sequence[int]) -> list[int]:
    """The rules that a report names."""
    if category not in CATEGORIES:
        raise Invalid(f"'{category[:40]}' is not a valid category", "category")
    wanted = list(dict.fromkeys(rule_ids))
    there = {row.id for row in rules.shown(tx)} if wanted or category == "violation" else set()
    if not there.issuperset(wanted) or (category == "violation" and not wanted):
        raise Invalid("Rule ids does not reference valid rules", "rule_ids")
    return wanted


def _posts_of(eyes: Sight) -> Select[Any]:
    return select(post.c.id).where(
        post.c.id.in_(bindparam("ids", expanding=True)),
        post.c.author_id == bindparam("author", type_=Id),
        eyes.visible(post),
    )


def _moderators(tx: Tx) -> list[int]:
    roles = type_coerce(login.c.roles, Text)
    return tx.scalars(
        select(login.c.account_id)
        .join(account, account.c.id == login.c.account_id)
        .where(
            or_(roles.contains('"moderator"'), roles.contains('"admin"')),
            login.c.disabled_at.is_(None),
            account.c.suspended_at.is_(None),
        )
    )
