"""People search: an index of names, work and what people say about themselves.

The accounts that are there already are written into it by a job, after the start: how a text becomes words is a matter
of the code, not of the schema.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SEARCH = {
    "sqlite": ("CREATE VIRTUAL TABLE account_search USING fts5(tokens, tokenize=\"ascii tokenchars '#@._-/:+'\")",),
    "postgresql": (
        "CREATE TABLE account_search ("
        "account_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE, tsv TSVECTOR NOT NULL)",
        "CREATE INDEX ix_account_search_tsv ON account_search USING gin (tsv)",
    ),
}


def upgrade() -> None:
    for statement in SEARCH[op.get_context().dialect.name]:
        op.execute(statement)
    op.execute(
        "INSERT INTO job (kind, payload, run_at, dedupe)"
        " SELECT 'account.index', '{}', 0, 'account.index' WHERE EXISTS (SELECT 1 FROM account)"
    )
