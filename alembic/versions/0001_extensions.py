"""PostGIS, accent folding and trigram search."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for extension in ("postgis", "unaccent", "pg_trgm"):
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")


def downgrade() -> None:
    for extension in ("pg_trgm", "unaccent", "postgis"):
        op.execute(f"DROP EXTENSION IF EXISTS {extension}")
