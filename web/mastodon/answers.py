"""Rules in, entities out: runs a rule as whoever asks and renders what it returns.

    async def home(request):
        return await answers.statuses(request, "read:statuses", timelines.home, params.page(request))

A rule gives ids; a list that is paged by something else than these ids gives pairs of (cursor, id).
"""

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from starlette.requests import Request

from node import social
from node.accounts.lookup import storable
from node.errors import NotFound
from node.runtime import Tx
from node.viewer import Viewer
from web import identity as api
from web.identity import Access
from web.mastodon.entities import Renderer, array
from web.mastodon.state import state_of
from web.parts import parts_of
from web.responses import JSONBytes, paged

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item", contravariant=True)
MAX_NAME = 500
Drawn = tuple[bytes, Sequence[int]]
"""A rendered page, and the cursors of its items."""
Draw = Callable[[Renderer, Tx, Sequence[int]], list[bytes]]


def to_read(scope: str) -> Access:
    """For what also a visitor may read where the node is open to them (`access.anonymous`)."""
    return Access(scope, anonymous=True)


class Limit:
    """A limit on one kind of work, spent inside the transaction that knows who works. Raises TooMany."""

    def __init__(self, request: Request, kind: str, limit: int) -> None:
        self._request = request
        self._kind = kind
        self._limit = limit
        self._spent = False

    def spend(self, account_id: int) -> None:
        """Once a request, although a transaction may run twice."""
        if not self._spent:
            self._spent = True
            api.spend(self._request, self._kind, account_id, self._limit)


def path_name(request: Request, name: str) -> str:
    """A word in the path. What no database stores is NotFound, as any other unknown word."""
    value: str = request.path_params[name]
    if len(value) > MAX_NAME or not storable(value):
        raise NotFound()
    return value


async def read(request: Request, access: Access | str | None, rule: Callable[[Tx, Renderer], bytes]) -> JSONBytes:
    """The JSON that a rule renders, which finds its rows by their keys."""
    return JSONBytes(await api.glance(request, access, rule, state_of(request).renderer))


async def search(request: Request, access: Access | str | None, rule: Callable[[Tx, Renderer], bytes]) -> JSONBytes:
    """The same for a rule that looks through many rows: it may take its time."""
    return JSONBytes(await api.read(request, access, rule, state_of(request).renderer))


async def write(
    request: Request, access: Access | str | None, rule: Callable[[Tx], T], show: Callable[[Tx, Renderer, T], bytes]
) -> JSONBytes:
    """Run a rule that writes, then show what it returned.

    Shown in a transaction of its own, after the commit: what is rendered can be kept for the streams, which want it next;
    and what one transaction reads on PostgreSQL, others may not write (SERIALIZABLE), so a writing one reads little.
    """

    def work(tx: Tx) -> tuple[Viewer, T]:
        return tx.viewer, rule(tx)

    viewer, result = await api.write(request, access, work)
    renderer = state_of(request).renderer
    return JSONBytes(await parts_of(request).node.glance_as(viewer, show, renderer, result))


class Listing(Protocol[Item]):
    """Answers the page that a rule finds, drawn."""

    async def __call__(
        self,
        request: Request,
        access: Access | str,
        rule: Callable[Concatenate[Tx, P], Sequence[Item]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JSONBytes: ...


def _listing(draw: Draw, split: Callable[[Sequence[Item]], tuple[Sequence[int], Sequence[int]]]) -> Listing[Item]:
    """`split` tells cursors and ids of what rules find."""

    async def answer(
        request: Request,
        access: Access | str,
        rule: Callable[Concatenate[Tx, P], Sequence[Item]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JSONBytes:
        def work(tx: Tx, renderer: Renderer) -> Drawn:
            cursors, ids = split(rule(tx, *args, **kwargs))
            return array(draw(renderer, tx, ids)), cursors

        return await page(request, access, work)

    return answer


def _own(ids: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    return ids, ids


def _pairs(found: Sequence[tuple[int, Any]]) -> tuple[Sequence[int], Sequence[int]]:
    return [cursor for cursor, _ in found], [id_ for _, id_ in found]


statuses = _listing(Renderer.statuses, _own)
"""Posts, whose cursors are their own ids."""
statuses_by_cursor = _listing(Renderer.statuses, _pairs)
accounts = _listing(Renderer.accounts, _pairs)
"""People, paged by cursors that only Link tells."""


async def page(
    request: Request, access: Access | str, work: Callable[[Tx, Renderer], Drawn], *, run: api.Call = api.glance
) -> JSONBytes:
    """Any page: `work` gives its JSON and the cursors of its items. `run=api.read` if it has to look for them."""
    body, cursors = await run(request, access, work, state_of(request).renderer)
    return paged(request, body, cursors)


async def found_accounts(
    request: Request,
    access: Access | str,
    rule: Callable[Concatenate[Tx, P], Sequence[int]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> JSONBytes:
    """People that are not paged by cursors."""
    return await search(request, access, lambda tx, renderer: array(renderer.accounts(tx, rule(tx, *args, **kwargs))))


async def status_after(request: Request, access: str, rule: Callable[[Tx], int]) -> JSONBytes:
    """The post whose id a rule that writes returns."""
    return await write(request, access, rule, lambda tx, renderer, post_id: renderer.status(tx, post_id))


async def relationship_after(
    request: Request, access: Access | str, account_id: int, rule: Callable[[Tx, int], Any]
) -> JSONBytes:
    """What the viewer and somebody are to each other, after a rule changed it."""

    def show(tx: Tx, renderer: Renderer, _: None) -> bytes:
        return renderer.relationships(social.relationships(tx, [account_id]))[1:-1]

    def work(tx: Tx) -> None:
        rule(tx, account_id)

    return await write(request, access, work, show)
