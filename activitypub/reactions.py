"""Emoji reactions as peers send them (FEP-c0e0): EmojiReact, and Like with `content` or `_misskey_reaction`."""

from typing import Any, NamedTuple

from activitypub import parts, values
from activitypub.documents import Activity, Emoji
from activitypub.vocabulary import same_origin

CONTENT_LENGTH = 512
_TAGS = 64


class Reaction(NamedTuple):
    """What somebody reacts with. `emoji` is the custom one that a content in colons names; None if no tag has it."""

    content: str
    emoji: Emoji | None

    @property
    def shortcode(self) -> str | None:
        """Of a custom emoji. Misskey writes `:name@.:` for one of the sender's server, `:name@host:` for others."""
        if len(self.content) > 2 and self.content.startswith(":") and self.content.endswith(":"):
            return self.content[1:-1].partition("@")[0]
        return None


def reaction(activity: Activity) -> Reaction | None:
    """The reaction of a Like or EmojiReact; None if it has no content, and so is a plain favourite."""
    return _read(activity.content, activity.raw)


def undone(activity: Activity) -> Reaction | None:
    """The reaction that an Undo takes back, as the activity sent along in it says."""
    original = activity.embedded
    return None if original is None else _read(values.natural(original, "content")[0], original)


def is_own(emoji: Emoji, actor: str) -> bool:
    """Whether the emoji is of the server of who sent it: what others' servers show is not this one's to say."""
    return emoji.iri is None or same_origin(emoji.iri, actor)


def _read(content: str | None, doc: dict[str, Any]) -> Reaction | None:
    said = (content or values.text(doc.get("_misskey_reaction"), CONTENT_LENGTH) or "").strip()
    if not said:
        return None
    found = Reaction(said[:CONTENT_LENGTH], None)
    if found.shortcode is None:
        return found
    tagged = parts.emojis(list(values.objects(doc.get("tag"), _TAGS)))
    named = next((one for one in tagged if one.shortcode.partition("@")[0] == found.shortcode), None)
    return found._replace(emoji=named)
