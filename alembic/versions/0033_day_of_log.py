"""The places of a day in the log of promotions lie side by side: its index begins with the day."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TABLE = "promo_notification"
BEFORE, AFTER = ("user_id", "sent_date", "place"), ("sent_date", "user_id", "place")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _exchange(BEFORE, AFTER)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _exchange(AFTER, BEFORE)


def _exchange(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """The new one first: the daily cap is guarded at every moment."""
    op.create_unique_constraint(f"uq_{TABLE}_{'_'.join(after)}", TABLE, list(after))
    op.drop_constraint(f"uq_{TABLE}_{'_'.join(before)}", TABLE)
