"""What becomes of what people write, in words for them: on /about and in the client API."""

PRIVACY = (
    "What you write is kept by the node of your department, and by the nodes of those departments where it is read. "
    "Posts for the company are for everybody in it, posts for the department stay on its node, direct posts are for whom "
    "they mention; none of them is encrypted against the administrators of these nodes.",
    "What you delete is deleted here at once, and the other departments are told to do the same. Backups keep it for as "
    "long as they are kept.",
)
"""Paragraphs, as plain text."""
