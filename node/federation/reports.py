"""Flag: a report that another node forwards to our moderators (protocol R54)."""

from sqlalchemy import bindparam, select

from activitypub.errors import Refused
from activitypub.vocabulary import host
from node import accounts, moderation
from node.federation.inbound import Inbound
from node.runtime import Tx
from node.schema import account, post

_ACCOUNTS = select(account.c.id).where(
    account.c.iri.in_(bindparam("iris", expanding=True)), account.c.domain.is_(None), account.c.gone_at.is_(None)
)
_POSTS = select(post.c.id, post.c.author_id).where(
    post.c.iri.in_(bindparam("iris", expanding=True)), post.c.local.is_(True), post.c.local_only.is_(False)
)


def on_flag(tx: Tx, inbound: Inbound) -> None:
    """Store a report about one of ours and tell the moderators, never the one who is reported.

    The account may be named by itself or only through its posts; posts of others are left out.
    """
    reporter = accounts.acting(tx, inbound.actor_iri)
    iris = [iri for iri in inbound.activity.objects if host(iri) == tx.settings.node.domain]
    if not iris:
        raise Refused("a report about nobody of ours")
    posts = tx.rows(_POSTS, {"iris": iris})
    named = tx.scalars(_ACCOUNTS, {"iris": iris})
    reported = named[0] if named else posts[0].author_id if posts else None
    if reported is None:
        raise Refused("a report about nobody of ours")
    moderation.receive_report(
        tx,
        reporter_id=reporter.id,
        target_id=reported,
        post_ids=[row.id for row in posts if row.author_id == reported],
        comment=inbound.activity.content or "",
        iri=inbound.iri,
    )
