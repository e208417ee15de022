"""What the doctor says about the company: is there a roster, is it in force, are we on it with our own key."""

from collections.abc import Iterator

from node import keyring
from node.doctor import Finding, fault, ok, warn
from node.errors import NodeError
from node.federation import company
from node.runtime import Tx
from node.secrets import SecretError

CHECK = "company"


def of_company(tx: Tx) -> list[Finding]:
    """Nothing outside of mode "roster"."""
    held = tx.node.company
    if not held.in_use:
        return []
    held.hold(company.held(tx))
    return list(_findings(tx))


def _findings(tx: Tx) -> Iterator[Finding]:
    held = tx.node.company
    roster = held.roster
    if roster is None:
        advice = "send the line of `corridor roster identity` to the company's administrator, then `corridor join`"
        yield warn(CHECK, "this node has not joined a company: it has no peers", advice)
        return
    if (version := company.split_seen(tx)) is not None:
        advice = "ask the company's administrator: the key may be stolen, or two people sign; a newer roster ends this"
        yield fault(CHECK, f"two different rosters of version {version} were seen", advice)
    newer = "ask the company's administrator for a newer roster, and `corridor join` with it"
    days = company.days_left(held, tx.now)
    if held.expired:
        yield fault(CHECK, f"the roster (version {roster.version}) has expired: no peer is dealt with", newer)
    elif days is not None:
        yield warn(CHECK, f"the roster (version {roster.version}) expires in {days} days", newer)
    if (problem := _own_entry(tx)) is not None:
        advice = "send the line of `corridor roster identity` to the company's administrator"
        yield fault(CHECK, f"version {roster.version} of the roster {problem}", advice)
    elif not held.expired:
        others = len(held.peers())
        yield ok(CHECK, f"one of {roster.company}: version {roster.version} of the roster, {others} other nodes")


def _own_entry(tx: Tx) -> str | None:
    own = tx.node.company.member(tx.settings.node.domain)
    if own is None:
        return "does not list this node: no peer is dealt with"
    try:
        identity = keyring.identity(tx).multibase
    except (NodeError, SecretError) as error:
        return f"cannot be compared with this node's identity: {error}"
    return None if own.identity == identity else "lists this node with another identity key: peers will not believe it"
