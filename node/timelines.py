"""Timelines, by query and not by copies (design, decision 8). Lists of post ids, newest first.

Home is merged from two sources, each in its own statement: what the people one follows (and oneself) wrote, and what
bears a tag that one follows. There are two ways to find the former:

* *walking* posts newest first and looking each author up among the followed: soon done if they write much;
* *sifting*: the newest of their posts from an index alone, then a look at each: soon done if they write little.

So the walk stops at the edge of a window of the newest WINDOW public posts, and only a page that is not full by then is
sifted. Tags need not be looked for below the oldest post that the people gave; if they gave less than a page, first
within the window (enough for tags that are much used), then everywhere (cheap for those that are not).

Measured with 500,000 posts by 2,000 authors, a page of 40, on a busy machine of two cores; on SQLite the CPU of the call,
0.1 to 0.2 ms of SQLAlchemy's included, on PostgreSQL 15 the execution time of EXPLAIN ANALYZE:

    walking, 300 or 1,500 followed who write much    SQLite 0.3-1.5 ms    PostgreSQL 1.5 ms (300)
    walking a window with nothing in it              SQLite 2.4 ms (8 ms for a window of 4,000)
    sifting by author, 290 who wrote 60,000 posts    SQLite 9-17 ms       PostgreSQL 69 ms (300 who wrote 77,000)
    8 tags, below the people's page                  SQLite 0.3 ms
    8 tags, within the window                        SQLite 2-3 ms        PostgreSQL 1.8 ms

What this avoids, on SQLite: looking at each of those 60,000 posts before sorting took 416 ms, everything with one of the 8
tags 1 to 2 s.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    union_all,
)

from activitypub.audience import Visibility
from node import db, late, lists, sight, tags
from node.errors import Forbidden, NotFound
from node.ids import PostId
from node.paging import Page
from node.runtime import Tx
from node.schema import account as account_table
from node.schema import follow, media, people_list_member, pin, post, post_tag, tag_follow
from node.schema.meta import Id
from node.sight import LAST, VIEWER, Sight, page_values, paged, some
from node.text import normalise_tag
from node.viewer import Kind

WINDOW = 1500
BATCH = 4
"""Candidates for each post wanted, and how much larger each further batch is."""

# Written out, not bound: SQLite uses a partial index only for a query that repeats its condition to the letter.
_OPEN = and_(post.c.visibility == literal_column("0"), post.c.boost_of_id.is_(None))
_HERE = text("post.local")
_KNOWN = post.alias("known")
_FOR_ALL = post.c.visibility == Visibility.PUBLIC


def home(tx: Tx, page: Page) -> list[PostId]:
    """What the viewer follows. Forbidden for anybody but a local person."""
    if tx.viewer.kind is not Kind.PERSON:
        raise Forbidden("This method requires an authenticated user")
    ascending = page.min_id is not None
    bounds = page_values(page) | {"window": WINDOW}
    people = _ids(tx, _home_walk, bounds, ascending)
    if len(people) < page.limit:
        people = _sift(tx, _home_people, bounds, ascending)
    if len(people) >= page.limit:
        edge = {"below": people[-1]} if ascending else {"above": people[-1]}
        tagged = _sift(tx, _home_tags, bounds | edge, ascending, False)
    else:
        tagged = _sift(tx, _home_tags, bounds, ascending, True)
        if len(tagged) < page.limit:
            tagged = _sift(tx, _home_tags, bounds, ascending, False)
    if tagged:
        people = sorted({*people, *tagged}, reverse=not ascending)[: page.limit]
    return late.added(tx, page, page.newest_first(people), _late_home, {})


def public(tx: Tx, page: Page, *, local: bool = False, remote: bool = False, only_media: bool = False) -> list[PostId]:
    """Posts for everybody, of this node, of peers, or (with both or neither flag) of all. Answers to others are left out."""
    local, remote = _one_side(local, remote)
    found = page.newest_first(_ids(tx, _public, page_values(page), page.min_id is not None, local, remote, only_media))
    return found if local else late.added(tx, page, found, _late_public, {}, only_media)


def tag(
    tx: Tx,
    name: str,
    page: Page,
    *,
    any: Sequence[str] = (),
    all: Sequence[str] = (),
    none: Sequence[str] = (),
    local: bool = False,
    remote: bool = False,
    only_media: bool = False,
) -> list[PostId]:
    """Posts for everybody that bear the tag or one of `any`, each of `all`, and no tag of `none`."""
    known = tags.named(tx, [name, *any, *all, *none])
    either, each, neither = (_tag_ids(known, names) for names in ([name, *any], all, none))
    if not either or len(each) < len({normalise_tag(one) for one in all}):
        return []
    sides = _one_side(local, remote)
    flags = (page.min_id is not None, len(either) > 1, len(each), bool(neither), *sides, only_media)
    values: dict[str, Any] = {"either": either, "neither": neither, "one": either[0]}
    values |= {f"each_{number}": id_ for number, id_ in enumerate(each)}
    find = _sift if len(either) > 1 else _ids
    found = page.newest_first(find(tx, _tag, page_values(page) | values, *flags))
    return found if sides[0] else late.added(tx, page, found, _late_tag, values, len(each), bool(neither), only_media)


def people_list(tx: Tx, list_id: int, page: Page) -> list[PostId]:
    """What the people in one of the viewer's lists write and boost. NotFound for a list of somebody else's."""
    row = lists.get(tx, list_id)
    values = page_values(page) | {"list": row.id, "policy": row.replies_policy}
    found = page.newest_first(_sift(tx, _list, values, page.min_id is not None))
    return late.added(tx, page, found, _late_list, {"list": row.id, "policy": row.replies_policy})


def account(
    tx: Tx,
    account_id: int,
    page: Page,
    *,
    exclude_replies: bool = False,
    exclude_reblogs: bool = False,
    only_media: bool = False,
    pinned: bool = False,
    tagged: str | None = None,
) -> list[PostId]:
    """What one account wrote and boosted. NotFound if there is no such account; what it pinned is in order of pinning."""
    if tx.scalar(select(literal(1)).where(account_table.c.id == account_id, account_table.c.gone_at.is_(None))) is None:
        raise NotFound
    values: dict[str, Any] = {"author": account_id}
    if tagged is not None:
        known = _tag_ids(tags.named(tx, [tagged]), [tagged])
        if not known:
            return []
        values["tag"] = known[0]
    if pinned:
        return _ids(tx, _pinned, values | {"k": page.limit})
    flags = (page.min_id is not None, exclude_replies, exclude_reblogs, only_media, tagged is not None)
    return page.newest_first(_ids(tx, _account, page_values(page) | values, *flags))


def _ids(tx: Tx, build: sight.Build, values: dict[str, Any], *flags: Hashable) -> list[PostId]:
    return [PostId(row.id) for row in sight.rows(tx, build, values, *flags)]


def _one_side(local: bool, remote: bool) -> tuple[bool, bool]:
    """Both together narrow nothing, as in Mastodon."""
    return local and not remote, remote and not local


def _tag_ids(known: dict[str, Any], names: Sequence[str]) -> list[int]:
    found = (known.get(normalise_tag(name)) for name in names)
    return list(dict.fromkeys(row.id for row in found if row is not None))


# --- sifting


def _sift(tx: Tx, build: sight.Build, bounds: dict[str, Any], ascending: bool, *flags: Hashable) -> list[PostId]:
    """A page from a statement that gives candidates, each with whether it is shown (see `_candidates`).

    Whoever has muted much gets further batches, each larger than the last.
    """
    wanted = bounds["k"]
    bounds = {**bounds, "batch": BATCH * wanted}
    found: list[PostId] = []
    while True:
        rows = sight.rows(tx, build, bounds, ascending, *flags)
        found += [PostId(row.id) for row in rows if row.shown]
        if len(found) >= wanted or len(rows) < bounds["batch"]:
            return found[:wanted]
        bounds["above" if ascending else "below"] = rows[-1].id
        bounds["batch"] *= BATCH


def _candidates(keys: Select[Any], key: ColumnElement[int], ascending: bool, shown: ColumnElement[bool]) -> Select[Any]:
    """(id, shown) of the first :batch posts between :below and :above that `keys`, from an index alone, names by `key`."""
    keys = keys.where(key < bindparam("below", type_=Id), key > bindparam("above", type_=Id))
    # "+ 0": sorted by an expression, so that neither engine walks the whole table for the sake of the order.
    order = (key + 0).asc() if ascending else (key + 0).desc()
    first = keys.order_by(order).limit(bindparam("batch", type_=Id)).subquery("first")
    return (
        select(post.c.id, case((shown, 1), else_=0).label("shown"))
        .join_from(first, post, post.c.id == first.c.id)
        .order_by(post.c.id.asc() if ascending else post.c.id.desc())
    )


# --- home


def _home_walk(eyes: Sight, ascending: bool) -> Select[Any]:
    """Posts of the followed within the window, by walking it."""
    key = post.c.id
    return paged(select(key).where(_in_window(key, ascending), _followed(eyes), _shown(eyes)), key, ascending)


def _home_people(eyes: Sight, ascending: bool) -> Select[Any]:
    people = select(follow.c.target_id).where(follow.c.follower_id == VIEWER, follow.c.state == "accepted")
    authors = union_all(people, select(VIEWER)).subquery("authors")
    keys = select(post.c.id).where(post.c.author_id.in_(select(authors))).correlate(None)
    return _candidates(keys, post.c.id, ascending, and_(_followed(eyes), _shown(eyes)))


def _home_tags(eyes: Sight, ascending: bool, windowed: bool) -> Select[Any]:
    """Posts for everybody with a tag that the viewer follows."""
    key = post_tag.c.post_id
    keys = select(key.label("id")).where(_is_followed(eyes, post_tag.c.tag_id)).group_by(key)
    if windowed:
        keys = keys.where(_in_window(key, ascending))
    return _candidates(keys, key, ascending, and_(_FOR_ALL, _shown(eyes)))


def _in_window(key: ColumnElement[int], ascending: bool) -> ColumnElement[bool]:
    """Among the next :window public posts, as counted by their index alone."""
    open_ = post.alias("open_")
    edge = select(open_.c.id).where(open_.c.visibility == literal_column("0"), open_.c.boost_of_id.is_(None))
    if ascending:
        edge = edge.where(open_.c.id > bindparam("above", type_=Id)).order_by(open_.c.id)
    else:
        edge = edge.where(open_.c.id < bindparam("below", type_=Id)).order_by(open_.c.id.desc())
    last = edge.limit(1).offset(bindparam("window", type_=Id)).scalar_subquery()
    return key < func.coalesce(last, LAST) if ascending else key > func.coalesce(last, 0)


# The rule of what is in somebody's home: `_shown` and either of `_followed` and `_tagged`. `home` above looks for each of
# the two in its own way; `at_home` says it of a post that is at hand.


def at_home(eyes: Sight) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """(shown, at home): whether a post is shown to somebody at all, and if so, whether it is in their home."""
    tagged = some(post_tag, post_tag.c.post_id == post.c.id, _is_followed(eyes, post_tag.c.tag_id))
    return _shown(eyes), or_(_followed(eyes), and_(_FOR_ALL, tagged))


def _shown(eyes: Sight) -> ColumnElement[bool]:
    return and_(eyes.visible(post), or_(post.c.author_id == eyes.who, ~eyes.unwanted(post.c.author_id)))


def _followed(eyes: Sight) -> ColumnElement[bool]:
    """One's own posts, and of people one follows: posts, boosts if wanted, answers to people one follows or to oneself."""
    p, by, to = post.c, follow.alias("by"), follow.alias("answered")
    wanted = and_(by.c.off_home.is_(False), _shows(by))
    following = _following(eyes, by, p.author_id, wanted)
    answers_known = or_(
        p.in_reply_to_iri.is_(None),
        p.in_reply_to_account_id == p.author_id,
        p.in_reply_to_account_id == eyes.who,
        _following(eyes, to, p.in_reply_to_account_id),
    )
    first = follow.alias("first")
    known = _following(eyes, first, _KNOWN.c.author_id, first.c.off_home.is_(False))
    return or_(p.author_id == eyes.who, and_(following, answers_known, _boosts_wanted(eyes, known)))


def _is_followed(eyes: Sight, tag_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Of a tag. Only what is for all is brought home by one."""
    mine = select(tag_follow.c.tag_id).where(tag_follow.c.account_id == eyes.who)
    return tag_id.in_(mine.correlate_except(tag_follow))


def _following(
    eyes: Sight, rows: FromClause, target: ColumnElement[Any], *more: ColumnElement[bool]
) -> ColumnElement[bool]:
    return some(rows, rows.c.follower_id == eyes.who, rows.c.target_id == target, rows.c.state == "accepted", *more)


def _shows(by: FromClause) -> ColumnElement[bool]:
    """Of a follow: no boosts where they are not wanted."""
    return or_(post.c.boost_of_id.is_(None), by.c.show_boosts.is_(True))


def _boosts_wanted(eyes: Sight, there: ColumnElement[bool]) -> ColumnElement[bool]:
    """A boost of somebody whom the viewer blocked or muted is left out, and what a group boosts where the post itself is
    `there` (a condition on _KNOWN)."""
    boosted = post.alias("boosted")
    hidden = some(boosted, boosted.c.id == post.c.boost_of_id, eyes.unwanted(boosted.c.author_id))
    shown = or_(_KNOWN.c.author_id == eyes.who, there)
    again = and_(post.c.group_id.is_not(None), some(_KNOWN, _KNOWN.c.id == post.c.boost_of_id, shown))
    return or_(post.c.boost_of_id.is_(None), and_(~hidden, ~again))


# --- lists


def _list(eyes: Sight, ascending: bool) -> Select[Any]:
    list_id = bindparam("list", type_=Id)
    members = select(people_list_member.c.account_id).where(people_list_member.c.list_id == list_id)
    keys = select(post.c.id).where(post.c.author_id.in_(members)).correlate(None)
    return _candidates(keys, post.c.id, ascending, and_(*in_list(eyes, list_id, bindparam("policy", type_=String))))


def in_list(
    eyes: Sight, list_id: ColumnElement[int], policy: ColumnElement[str]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """(shown, in the list): the same of a list as `at_home` of the home; `policy` as lists.REPLIES.

    No direct posts: those are in conversations. Of members who are followed without boosts, none are shown.
    """
    p, by, to = post.c, follow.alias("by"), follow.alias("answered")

    def holds(account_id: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        rows = people_list_member.alias(name)
        return some(rows, rows.c.list_id == list_id, rows.c.account_id == account_id)

    answers_wanted = or_(
        p.in_reply_to_iri.is_(None),
        p.in_reply_to_account_id == p.author_id,
        p.in_reply_to_account_id == eyes.who,
        and_(policy == "followed", _following(eyes, to, p.in_reply_to_account_id)),
        and_(policy == "list", holds(p.in_reply_to_account_id, "answered_member")),
    )
    belongs = and_(
        p.visibility != Visibility.DIRECT,
        holds(p.author_id, "member"),
        or_(p.author_id == eyes.who, _following(eyes, by, p.author_id, _shows(by))),
        answers_wanted,
        _boosts_wanted(eyes, holds(_KNOWN.c.author_id, "known_member")),
    )
    return _shown(eyes), belongs


# --- what came late


def _late_home(eyes: Sight) -> Select[Any]:
    return late.within(and_(*at_home(eyes)))


def _late_list(eyes: Sight) -> Select[Any]:
    return late.within(and_(*in_list(eyes, bindparam("list", type_=Id), bindparam("policy", type_=String))))


def _late_public(eyes: Sight, only_media: bool) -> Select[Any]:
    return late.within(and_(*_in_public(eyes), *_narrower(False, only_media)))


def _late_tag(eyes: Sight, each: int, neither: bool, only_media: bool) -> Select[Any]:
    either = post_tag.alias("either_tag")
    bears = some(either, either.c.post_id == post.c.id, db.among(either.c.tag_id, "either"))
    return late.within(and_(bears, *_tagged(eyes, each, neither), *_narrower(False, only_media)))


# --- public, tags, accounts


def _in_public(eyes: Sight) -> tuple[ColumnElement[bool], ...]:
    p = post.c
    no_answer = or_(p.in_reply_to_iri.is_(None), p.in_reply_to_account_id == p.author_id)
    return _OPEN, eyes.visible(post), ~eyes.unwanted(p.author_id), no_answer


def _public(eyes: Sight, ascending: bool, local: bool, remote: bool, only_media: bool) -> Select[Any]:
    p = post.c
    statement = select(p.id).where(*_in_public(eyes))
    if local:
        statement = statement.where(_HERE)
    return paged(statement.where(*_narrower(remote, only_media)), p.id, ascending)


def _narrower(remote: bool, only_media: bool) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if remote:
        conditions.append(post.c.local.is_(False))
    if only_media:
        conditions.append(some(media, media.c.post_id == post.c.id))
    return conditions


def _tag(
    eyes: Sight, ascending: bool, several: bool, each: int, neither: bool, local: bool, remote: bool, only_media: bool
) -> Select[Any]:
    p, key = post.c, post_tag.c.post_id
    conditions = _tagged(eyes, each, neither)
    if local:
        conditions.append(p.local.is_(True))
    conditions += _narrower(remote, only_media)
    if several:
        either = db.among(post_tag.c.tag_id, "either")
        keys = select(key.label("id")).where(either).group_by(key)
        return _candidates(keys, key, ascending, and_(*conditions))
    statement = select(p.id).join_from(post_tag, post, p.id == key)
    return paged(statement.where(post_tag.c.tag_id == bindparam("one", type_=Id), *conditions), key, ascending)


def _tagged(eyes: Sight, each: int, neither: bool) -> list[ColumnElement[bool]]:
    """Posts for everybody with each of some tags and none of others."""
    p = post.c
    conditions = [p.visibility == Visibility.PUBLIC, eyes.visible(post), ~eyes.unwanted(p.author_id)]
    for number in range(each):
        both = post_tag.alias(f"both_{number}")
        conditions.append(some(both, both.c.post_id == p.id, both.c.tag_id == bindparam(f"each_{number}", type_=Id)))
    if neither:
        bad = post_tag.alias("bad")
        conditions.append(~some(bad, bad.c.post_id == p.id, db.among(bad.c.tag_id, "neither")))
    return conditions


def _account(
    eyes: Sight, ascending: bool, exclude_replies: bool, exclude_reblogs: bool, only_media: bool, tagged: bool
) -> Select[Any]:
    p = post.c
    statement = select(p.id).where(p.author_id == bindparam("author", type_=Id), eyes.visible(post))
    if exclude_replies:
        statement = statement.where(or_(p.in_reply_to_iri.is_(None), p.in_reply_to_account_id == p.author_id))
    if exclude_reblogs:
        statement = statement.where(p.boost_of_id.is_(None))
    if tagged:
        statement = statement.where(_bears_tag())
    return paged(statement.where(*_narrower(False, only_media)), p.id, ascending)


def _pinned(eyes: Sight) -> Select[Any]:
    return (
        select(post.c.id)
        .join(pin, pin.c.post_id == post.c.id)
        .where(pin.c.account_id == bindparam("author", type_=Id), eyes.visible(post))
        .order_by(pin.c.created_at.desc(), post.c.id.desc())
        .limit(bindparam("k", type_=Id))
    )


def _bears_tag() -> ColumnElement[bool]:
    return some(post_tag, post_tag.c.post_id == post.c.id, post_tag.c.tag_id == bindparam("tag", type_=Id))
