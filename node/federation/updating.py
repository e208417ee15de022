"""The Update of a post of ours: after an edit, and when the numbers of its poll have changed."""

from typing import Any

from sqlalchemy import Row

from activitypub import build
from activitypub.audience import Visibility
from activitypub.vocabulary import Iri
from node.federation import delivery, recipients, render
from node.runtime import Tx


def tell(tx: Tx, row: Row[Any], **said: Any) -> None:
    """Send the post as it is now, a row of `render.stored`, to everybody who may have it; `said` is put into its document.

    What is still on its way of an earlier Update is not sent any more.
    """
    # Whoever lost sight of a followers-only post must not get its new words for having favourited the old ones.
    public = row.visibility <= Visibility.UNLISTED
    reach = recipients.involved if public else recipients.audience
    to = reach(tx, row.author_id, row.id, row.visibility)
    if not to:
        return
    delivery.withdraw(tx, actor_id=row.author_id, about=row.iri, kinds=["Update"], to=to)
    note = render.note_of(tx, row) | said
    iri = Iri(tx.urls.activity(row.author_iri, "Update", tx.new_id()))
    doc = build.update(note, iri=iri, actor=row.author_iri, to=note["to"], cc=note["cc"])
    delivery.enqueue(tx, doc, actor_id=row.author_id, about=row.iri, key=row.iri, to=to)
