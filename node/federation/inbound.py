"""An activity that arrived, as its handler gets it."""

from collections.abc import Callable
from dataclasses import dataclass

from activitypub.documents import Activity
from activitypub.errors import Refused
from activitypub.vocabulary import Iri
from node.runtime import Tx


@dataclass(frozen=True, slots=True)
class Inbound:
    """One activity. It passed `authority.check`: its actor signed it, and it is about what the actor may speak of."""

    activity: Activity
    peer: str
    """host[:port] of the signer."""

    @property
    def actor_iri(self) -> Iri:
        return self.activity.actor

    @property
    def iri(self) -> Iri:
        """Its id. Refused if it has none: what has to be undone or answered later needs one."""
        if self.activity.iri is None:
            raise Refused(f"{self.activity.type} without an id")
        return self.activity.iri

    @property
    def object_iri(self) -> Iri:
        if self.activity.object is None:
            raise Refused(f"{self.activity.type} of something without an id")
        return self.activity.object


Handler = Callable[[Tx, Inbound], None]
"""Raises Unknown for what has to be fetched first; the worker fetches it and runs the handler again.

Guard clauses, idempotent, everything in the one transaction. NotFound, Forbidden, Refused: the activity is dropped.
"""
