"""Whether any product shows a picture is found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

COLUMNS = ("image", "image_2")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in COLUMNS:
        op.create_index(
            f"ix_product_{name}_name",
            "product",
            [sa.text(f"split_part(\"substring\"({name}::text, '[^/]+$'::text), '.'::text, 1)")],
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in COLUMNS:
        op.drop_index(f"ix_product_{name}_name", "product")
