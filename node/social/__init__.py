"""Who follows, blocks and mutes whom.

    follows    asking, answering, ending; also for follows that peers tell of
    blocks     blocks and mutes
    endorsing  whom one recommends
    suggestions  whom one might want to follow
    relations  what one account is to another; lists of people
    tags       following a tag

Rules whose name begins with `record_` store what a peer said and tell nobody outside; the others are what the viewer does.
"""

from node.social.blocks import block, blocks, mute, record_block, record_unblock, unblock, unmute
from node.social.endorsing import endorse, unendorse
from node.social.endorsing import lines as endorsement_lines
from node.social.follows import (
    Follow,
    FollowState,
    accept_request,
    follow,
    record_accept,
    record_follow,
    record_reject,
    record_unfollow,
    reject_request,
    remove_follower,
    unfollow,
)
from node.social.relations import (
    Relationship,
    blocked,
    endorsed,
    follow_requests,
    followers,
    following,
    muted,
    mutes_end,
    relationships,
)
from node.social.suggestions import Suggestion, suggest
from node.social.suggestions import dismiss as dismiss_suggestion
from node.social.tags import follow_tag, followed_tags, unfollow_tag

__all__ = [
    "Follow",
    "FollowState",
    "Relationship",
    "Suggestion",
    "accept_request",
    "block",
    "blocked",
    "blocks",
    "dismiss_suggestion",
    "endorse",
    "endorsed",
    "endorsement_lines",
    "follow",
    "follow_requests",
    "follow_tag",
    "followed_tags",
    "followers",
    "following",
    "mute",
    "muted",
    "mutes_end",
    "record_accept",
    "record_block",
    "record_follow",
    "record_reject",
    "record_unblock",
    "record_unfollow",
    "reject_request",
    "relationships",
    "remove_follower",
    "suggest",
    "unblock",
    "unendorse",
    "unfollow",
    "unfollow_tag",
    "unmute",
]
