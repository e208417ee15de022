"""Quotes with consent (FEP-044f, protocol R57): who may quote what, and which quotes are shown.

policy    who may quote a post, as its author says it
writing   a local person quotes something
states    what becomes of a quote: asked for, accepted, refused, revoked, its post deleted
seeing    which quoted posts a viewer may see, and who quotes a post
"""

from node.quotes.policy import (
    NAMES,
    Answer,
    Policy,
    answer,
    effective,
    from_wire,
    lists,
    name_of,
    to_wire,
)
from node.quotes.seeing import Seen, quoting, relations, seen
from node.quotes.states import (
    VERIFY_JOB,
    Quoted,
    State,
    ask_to_verify,
    end_between,
    ended,
    heard,
    heard_again,
    move,
    revoke,
    revoke_by_iri,
    set_policy,
    situation,
    stamp_gone,
    tell_quoters,
)
from node.quotes.writing import Chosen, attach, chosen, link_of, linked, narrowed, relinked

__all__ = [
    "NAMES",
    "VERIFY_JOB",
    "Answer",
    "Chosen",
    "Policy",
    "Quoted",
    "Seen",
    "State",
    "answer",
    "ask_to_verify",
    "attach",
    "chosen",
    "effective",
    "end_between",
    "ended",
    "from_wire",
    "heard",
    "heard_again",
    "link_of",
    "linked",
    "lists",
    "move",
    "name_of",
    "narrowed",
    "quoting",
    "relations",
    "relinked",
    "revoke",
    "revoke_by_iri",
    "seen",
    "set_policy",
    "situation",
    "stamp_gone",
    "tell_quoters",
    "to_wire",
]
