"""Every URL of this node, in one place. ActivityPub ids among them never change (R9): usernames are for ever."""

from urllib.parse import quote

from node.config import Settings


class Urls:
    """Builds from the configured domain only, never from a request's Host header."""

    def __init__(self, settings: Settings) -> None:
        self.base = settings.base
        self.domain = settings.node.domain

    # --- ActivityPub ids

    @property
    def node_actor(self) -> str:
        return f"{self.base}/actor"

    @property
    def shared_inbox(self) -> str:
        return f"{self.base}/inbox"

    @property
    def history(self) -> str:
        return f"{self.base}/history"

    def actor(self, username: str) -> str:
        return f"{self.base}/users/{username}"

    def inbox(self, username: str) -> str:
        return f"{self.base}/users/{username}/inbox"

    def outbox(self, username: str) -> str:
        return f"{self.base}/users/{username}/outbox"

    def followers(self, username: str) -> str:
        return f"{self.base}/users/{username}/followers"

    def followers_synchronisation(self, followers_iri: str) -> str:
        """The part of a followers collection that one host may read of its own people (FEP-8fcf)."""
        return f"{followers_iri}_synchronization"

    def following(self, username: str) -> str:
        return f"{self.base}/users/{username}/following"

    def featured(self, username: str) -> str:
        return f"{self.base}/users/{username}/collections/featured"

    def featured_tags(self, username: str) -> str:
        return f"{self.base}/users/{username}/collections/tags"

    def moderators(self, username: str) -> str:
        return f"{self.base}/users/{username}/moderators"

    def post(self, username: str, post_id: int) -> str:
        return f"{self.base}/users/{username}/statuses/{post_id}"

    def vote(self, actor_iri: str, id_: int) -> str:
        """Id of a vote in a peer's poll. Nothing is ever served there."""
        return f"{actor_iri}/votes/{id_}"

    def replies(self, post_iri: str) -> str:
        return f"{post_iri}/replies"

    def context(self, post_iri: str) -> str:
        """The conversation that a post of ours began."""
        return f"{post_iri}/context"

    def activity(self, actor_iri: str, kind: str, id_: int) -> str:
        """Id of an activity without a post of its own, such as a Follow."""
        return f"{actor_iri}/activities/{kind.lower()}/{id_}"

    def quote_authorization(self, username: str, post_id: int) -> str:
        """The stamp of a person's consent to being quoted by the post `post_id`."""
        return f"{self.base}/users/{username}/quote_authorizations/{post_id}"

    def tag_collection(self, name: str) -> str:
        return f"{self.base}/tags/{quote(name, safe='')}"

    def emoji(self, emoji_id: int) -> str:
        return f"{self.base}/emojis/{emoji_id}"

    # --- pages

    def profile(self, username: str) -> str:
        return f"{self.base}/@{username}"

    def post_page(self, username: str, post_id: int) -> str:
        return f"{self.base}/@{username}/{post_id}"

    def tag_page(self, name: str) -> str:
        return f"{self.base}/tags/{quote(name, safe='')}"

    # --- files

    def media(self, name: str) -> str:
        return f"{self.base}/media/{name}"

    def emoji_image(self, emoji_id: int, *, still: bool = False) -> str:
        """The picture of a custom emoji, ours or a peer's: always here, so that readers ask no other server for it."""
        return f"{self.base}/emojis/{emoji_id}/{'still' if still else 'image'}"

    def static(self, name: str) -> str:
        return f"{self.base}/static/{name}"

    @property
    def streaming(self) -> str:
        return "ws" + self.base.removeprefix("http")

    def is_ours(self, iri: str) -> bool:
        return iri == self.base or iri.startswith(self.base + "/")
