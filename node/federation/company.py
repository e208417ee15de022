"""Which company this node belongs to: the roster it holds, the key it trusts, and when it takes another (protocol R34).

A roster is taken whoever brings it, because of its signature: by the trusted company key, or by the key that the roster
held names as the next one, which is the trusted one from then on. The first key comes from an invitation (`corridor join`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec
import structlog
from sqlalchemy import bindparam, delete, insert, select

from activitypub import roster as rosters
from activitypub.errors import Refused, SignatureInvalid
from activitypub.roster import Roster
from node.bell import ROSTER
from node.company import Company
from node.federation import parting
from node.ids import Millis
from node.runtime import Node, Tx
from node.schema import meta, roster

log = structlog.get_logger(__name__)

STEPS = 100
"""How far the version may rise at once. A thief of the company key could otherwise sign the last version that there is,
and no roster of the company's would ever count again."""
KEPT = 1000
"""Old versions that are kept, for nodes that were away while the company changed its key."""
AHEAD_MS = 86_400_000
"""How far `issued` may lie in the future: beyond, one of the clocks is wrong."""
WARN_DAYS = 14
DAY_MS = 86_400_000
ANNOUNCE_JOB = "roster.announce"
"""Kind of the job that brings a new roster to the other nodes; no payload."""

ASK_JOB = "roster.ask"
"""Kind of the job that asks a random peer for a newer one; no payload."""

TRUST, SPLIT = "company.trust", "company.split"
_META = select(meta.c.value).where(meta.c.key == bindparam("of"))
_NEWEST = select(roster.c.version, roster.c.body).order_by(roster.c.version.desc()).limit(1)
_VERSION = select(roster.c.version).order_by(roster.c.version.desc()).limit(1)
_AFTER = (
    select(roster.c.body)
    .where(
        roster.c.version > bindparam("after"),
        roster.c.version <= bindparam("until"),
        roster.c.signed_by.in_([bindparam("signer"), bindparam("or_signer")]),
    )
    .order_by(roster.c.version.desc())
    .limit(1)
)


class Trust(msgspec.Struct, frozen=True):
    """`key` signs the company's rosters now; `anchor` is the one that an administrator put in, from which it follows."""

    anchor: str
    key: str


class Taken(Enum):
    NEW = "new"
    KNOWN = "known"
    """The same as the one held, or older: nothing to do."""
    SPLIT = "split"
    """Another roster of the version that is held. Somebody signs on two sides: recorded, and refused."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A roster whose proof holds for the key that it names. Whether that is the company's is for `take` to say."""

    roster: Roster


def verified(body: bytes) -> Verified:
    """Reading a large one takes some milliseconds: outside of transactions. Raises Malformed, SignatureInvalid."""
    found = rosters.parse(body)
    rosters.verify(found, found.signer)
    return Verified(found)


# --- What is held -------------------------------------------------------------------------------------------------


def trust(tx: Tx) -> Trust | None:
    """The company key that counts. One that was put into the settings since then counts instead of what was learnt."""
    found = tx.scalar(_META, {"of": TRUST})
    configured = tx.settings.company.key
    if found is not None:
        known = msgspec.json.decode(found, type=Trust)
        if configured in ("", known.anchor):
            return known
    return Trust(configured, configured) if configured else None


def held(tx: Tx) -> Roster | None:
    """The newest roster, expired or not; None if the node has not joined, or follows another key than when it did."""
    row = tx.first(_NEWEST)
    known = trust(tx)
    if row is None or known is None:
        return None
    found = rosters.parse(row.body)
    return found if found.signer == known.key else None


def version(tx: Tx) -> int:
    """The newest version that is stored; 0 without one."""
    return int(tx.scalar(_VERSION) or 0)


def following(tx: Tx, *, after: int = 0, signers: Sequence[str] = ()) -> bytes | None:
    """The newest roster; or for who holds version `after` and believes `signers`, the newest that it can take.

    It believes one company key, or two while that is being changed; more than two are not looked at. So a node that was
    away while the company changed its key, or went far ahead, comes along step by step.
    """
    newest = tx.node.company.roster
    if newest is None or newest.version <= after:
        return None
    if not signers or (newest.signer in signers and newest.version <= after + STEPS):
        return newest.body
    believed = {"signer": signers[0], "or_signer": signers[min(1, len(signers) - 1)]}
    found: bytes | None = tx.scalar(_AFTER, {"after": after, "until": after + STEPS, **believed})
    return found


def ready(tx: Tx) -> None:
    """Have the roster in memory, for processes that no `Rosters` looks after (commands)."""
    if tx.node.company.in_use and not tx.node.company.loaded:
        tx.node.company.hold(held(tx))


async def refresh(node: Node) -> None:
    """Read the roster again if there is another one."""
    company = node.company
    if company.in_use and (not company.loaded or await node.glance(_differs)):
        company.hold(await node.read(held))


def _differs(tx: Tx) -> bool:
    return version(tx) != tx.node.company.version


# --- Taking one ---------------------------------------------------------------------------------------------------


async def receive(node: Node, found: Verified, source: str) -> Taken:
    """`take`, in effect for this process when it returns. Raises Refused, SignatureInvalid."""
    taken = await node.write(take, found, source)
    await refresh(node)
    version_taken = found.roster.version
    if taken is Taken.NEW:
        log.info("roster taken", version=version_taken, nodes=len(found.roster.nodes), source=source)
    if taken is Taken.SPLIT:
        log.error(
            "two rosters of one version: the company's key is used in two places", version=version_taken, source=source
        )
        raise Refused(split(found.roster))
    return taken


def split(found: Roster) -> str:
    return f"another roster of version {found.version} is held: the company's key is used on two sides"


def take(tx: Tx, new: Verified, source: str) -> Taken:
    """Keep a roster if it is the company's next. `source` is host[:port] that brought it, or "invitation".

    Raises SignatureInvalid for one that is signed by another key, Refused for one that has expired, or skips too far.
    """
    known, current = trust(tx), held(tx)
    if known is None:
        raise Refused("this node has not joined a company")
    found = new.roster
    if found.signer not in _signers(known, current):
        raise SignatureInvalid("the roster is not signed by the company's key")
    if current is not None and found.version <= current.version:
        return _repeated(tx, found, current, source)
    _check(tx, found, current)
    if current is None:  # whatever is left was signed by a key that counts no more
        tx.execute(delete(roster))
    _store(tx, found, known, source)
    _apply(tx, current, found)
    return Taken.NEW


def found_trust(tx: Tx, key: str) -> None:
    """Trust a company's key, by an administrator's word. What was held of another company is dropped."""
    known = trust(tx)
    if known is not None and key == known.key:
        return
    _set_meta(tx, TRUST, msgspec.json.encode(Trust(key, key)).decode())
    tx.execute(delete(roster))
    tx.audit("company.join", key)


def believed(tx: Tx) -> list[str]:
    """The keys whose signature a roster may have: the company's, and the next one if a roster has named it."""
    known = trust(tx)
    return sorted(_signers(known, held(tx))) if known is not None else []


def _signers(known: Trust, current: Roster | None) -> set[str]:
    following_key = current.next_key if current is not None else None
    return {known.key} | ({following_key} if following_key is not None else set())


def _repeated(tx: Tx, found: Roster, current: Roster, source: str) -> Taken:
    if found.version < current.version or found.body == current.body:
        return Taken.KNOWN
    if tx.scalar(_META, {"of": SPLIT}) != str(found.version):
        _set_meta(tx, SPLIT, str(found.version))
        tx.audit("roster.split", source, {"version": found.version})
    return Taken.SPLIT


def _check(tx: Tx, found: Roster, current: Roster | None) -> None:
    if found.expires <= tx.now:
        raise Refused(f"the roster (version {found.version}) has expired")
    if found.issued > tx.now + AHEAD_MS:
        raise Refused("the roster was issued in the future: one of the clocks is wrong")
    if current is not None and found.version > current.version + STEPS:
        raise Refused(f"the roster is {found.version - current.version} versions ahead; {STEPS} at once are taken")


def _store(tx: Tx, found: Roster, known: Trust, source: str) -> None:
    tx.execute(
        insert(roster),
        {
            "version": found.version,
            "body": found.body,
            "signed_by": found.signer,
            "stored_at": tx.now,
            "source": source[:255],
        },
    )
    tx.execute(delete(roster).where(roster.c.version <= found.version - KEPT))
    _set_meta(tx, TRUST, msgspec.json.encode(Trust(known.anchor, found.signer)).decode())
    tx.execute(delete(meta).where(meta.c.key == SPLIT))
    detail = {"version": found.version, "source": source, "nodes": len(found.nodes)}
    tx.audit("roster.take", found.company, detail | ({"key": found.signer} if found.signer != known.key else {}))
    tx.ring(ROSTER)


def _apply(tx: Tx, before: Roster | None, after: Roster) -> None:
    """What follows from it for those who came and went."""
    own = tx.settings.node.domain
    were, are = _peers(before, own), _peers(after, own)
    for domain in sorted(were - are):
        parting.begin(tx, domain, content=own in {one.domain for one in after.nodes})


def _peers(found: Roster | None, own: str) -> set[str]:
    """Whom this node deals with by the roster: nobody if it is not on it itself."""
    domains = {one.domain for one in found.nodes} if found is not None else set()
    return domains - {own} if own in domains else set()


def _set_meta(tx: Tx, key: str, value: str) -> None:
    tx.execute(delete(meta).where(meta.c.key == key))
    tx.execute(insert(meta), {"key": key, "value": value})


def want(tx: Tx) -> None:
    """Have somebody asked for a newer roster."""
    if tx.node.company.in_use:
        tx.enqueue(ASK_JOB, {}, dedupe=ASK_JOB)


# --- What is wrong with it ----------------------------------------------------------------------------------------


def troubles(company: Company) -> list[str]:
    """Why nobody is a peer just now. Empty if all is well, and outside of mode "roster"."""
    if not company.in_use:
        return []
    if company.roster is None:
        return ["this node has not joined a company: it holds no roster"]
    if company.expired:
        return [f"the roster (version {company.version}) has expired: no peer is dealt with"]
    if not company.includes_us:
        return [f"this node is not on the roster (version {company.version}): no peer is dealt with"]
    return []


def days_left(company: Company, now: Millis) -> int | None:
    """Whole days until the roster expires, if that is to be warned of."""
    if not company.in_use or company.roster is None:
        return None
    days = max(0, company.roster.expires - now) // DAY_MS
    return days if days < WARN_DAYS else None


def split_seen(tx: Tx) -> int | None:
    """The version of which two different rosters were seen, until there is a newer one."""
    found = tx.scalar(_META, {"of": SPLIT})
    return int(found) if found is not None else None
