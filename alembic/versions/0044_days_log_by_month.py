"""The day's log of promotions lies in a partition for each month. Its key is what it promises: once a day."""

import datetime as dt
from pathlib import Path

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "growth_1.sql"
KEY = "growth_promo_notification_1"


def upgrade() -> None:
    # Each of these is a transaction of its own, lets others read and write meanwhile, and can be done again.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '15min'")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {KEY}")
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {KEY} ON promo_notification (promo_id, sent_date, user_id)")
        op.execute("SET lock_timeout = '5s'")
        op.execute("ALTER TABLE promo_notification DROP CONSTRAINT IF EXISTS growth_until")
        op.execute(
            f"ALTER TABLE promo_notification ADD CONSTRAINT growth_until CHECK (sent_date < '{_until()}') NOT VALID"
        )
        op.execute("ALTER TABLE promo_notification VALIDATE CONSTRAINT growth_until")
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run()
    op.execute(
        "SELECT growth_adopt('promo_notification', 'sent_date',"
        " '{pk_promo_notification, uq_promo_notification_promo_id_sent_date_user_id}', '{}',"
        f" ARRAY[['{KEY}', 'pk_promo_notification']])"
    )
    _forget()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run()
    op.execute("""
        SELECT growth_release('promo_notification', ARRAY[
            'ALTER TABLE promo_notification ADD CONSTRAINT pk_promo_notification PRIMARY KEY (id)',
            'ALTER TABLE promo_notification ADD CONSTRAINT uq_promo_notification_promo_id_sent_date_user_id
                UNIQUE (promo_id, sent_date, user_id)',
            'ALTER TABLE promo_notification ADD CONSTRAINT uq_promo_notification_sent_date_user_id_place
                UNIQUE (sent_date, user_id, place)',
            'CREATE INDEX ix_promo_notification_open ON promo_notification (promo_id, id) WHERE devices IS NULL'])
    """)
    _forget()


def _until() -> str:
    """The first day of the month after the next: the table as it is holds this month and the next one."""
    first = dt.datetime.now(dt.UTC).date().replace(day=1)
    for _ in range(2):
        first = (first + dt.timedelta(days=31)).replace(day=1)
    return str(first)


def _run() -> None:
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def _forget() -> None:
    op.execute("DROP FUNCTION growth_adopt(text, text, text[], text[], text[])")
    op.execute("DROP FUNCTION growth_release(text, text[])")
    op.execute("DROP FUNCTION growth_grants(text, text)")
