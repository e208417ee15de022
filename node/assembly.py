"""Puts a node together: the one place that knows all parts."""

import time

from node import db
from node.config import Settings
from node.federation.network import open_network
from node.federation.outgoing import Federation
from node.runtime import Clock, Node
from node.secrets import load_vault

__all__ = ["open_network", "open_node"]


def open_node(settings: Settings, *, clock: Clock = time.time) -> Node:
    """A node on its database and secret. Raises SecretError; whether the schema fits is `migrations.check`'s business."""
    vault = load_vault(settings.home)
    storage = db.connect(settings.database_url, readers=settings.database.readers, pool=settings.database.pool)
    return Node(settings, storage=storage, vault=vault, outgoing=Federation(), clock=clock)
