"""The log of pushes lies in a partition for each month: of the day of a promotion, or of what a push tells."""

import datetime as dt
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "growth_1.sql"
KEY, ONCE = "growth_push_log_1", "growth_push_log_2"
ONCE_COLUMNS = "(order_event_id, device_token_id, notification_type, sent_date) WHERE order_event_id IS NOT NULL"
BATCH = 10_000
# Pushes about orders had no day. In batches, by a walk along the ids: null when it has come to the end.
DATED = sa.text("""
    WITH looked AS MATERIALIZED (SELECT id, sent_date FROM push_log WHERE id > :after ORDER BY id LIMIT :limit),
    dated AS (
        UPDATE push_log l SET sent_date = (l.created_at AT TIME ZONE 'UTC')::date
          FROM looked WHERE l.id = looked.id AND looked.sent_date IS NULL
    )
    SELECT max(id) FROM looked
""")


def upgrade() -> None:
    # Each of these is a transaction of its own, lets others read and write meanwhile, and can be done again.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '5s'")
        op.execute("""
            ALTER TABLE push_log DROP CONSTRAINT IF EXISTS ck_push_log_promo_has_a_day,
                ALTER sent_date SET DEFAULT (now() AT TIME ZONE 'UTC')::date,
                ADD CONSTRAINT ck_push_log_promo_has_a_day
                    CHECK ((promo_id IS NULL) = (promo_notification_id IS NULL)) NOT VALID
        """)
        op.execute("ALTER TABLE push_log VALIDATE CONSTRAINT ck_push_log_promo_has_a_day")
        last = 0
        while last is not None:
            last = op.get_bind().execute(DATED, {"after": last, "limit": BATCH}).scalar_one()
        op.execute("SET lock_timeout = '15min'")
        for name, columns in ((KEY, "(id, sent_date)"), (ONCE, ONCE_COLUMNS)):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON push_log {columns}")
        op.execute("SET lock_timeout = '5s'")
        op.execute("ALTER TABLE push_log DROP CONSTRAINT IF EXISTS growth_until")
        before = f"sent_date IS NOT NULL AND sent_date < '{_until()}'"
        op.execute(f"ALTER TABLE push_log ADD CONSTRAINT growth_until CHECK ({before}) NOT VALID")
        op.execute("ALTER TABLE push_log VALIDATE CONSTRAINT growth_until")
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run()
    # The constraint proves it: the table is not read.
    op.execute("ALTER TABLE push_log ALTER sent_date SET NOT NULL")
    op.execute("ALTER INDEX uq_push_log_order_event_id RENAME TO uq_push_log_order_event_once")
    op.execute(f"ALTER INDEX {ONCE} RENAME TO uq_push_log_order_event_id")
    op.execute(
        f"SELECT growth_adopt('push_log', 'sent_date', '{{pk_push_log}}', '{{uq_push_log_order_event_once}}',"
        f" ARRAY[['{KEY}', 'pk_push_log']])"
    )
    _forget()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run()
    op.execute("""
        SELECT growth_release('push_log', ARRAY[
            'ALTER TABLE push_log ADD CONSTRAINT pk_push_log PRIMARY KEY (id)',
            'ALTER TABLE push_log ADD CONSTRAINT uq_push_log_device_token_id_promo_id_sent_date
                UNIQUE (device_token_id, promo_id, sent_date)',
            'CREATE UNIQUE INDEX uq_push_log_order_event_id
                ON push_log (order_event_id, device_token_id, notification_type) WHERE order_event_id IS NOT NULL',
            'CREATE INDEX ix_push_log_user_id ON push_log (user_id, id DESC)',
            'CREATE INDEX ix_push_log_open ON push_log (due_at)
                WHERE state IN (''waiting'', ''sending'')',
            'CREATE INDEX ix_push_log_promo_notification_id ON push_log (promo_notification_id)
                WHERE promo_notification_id IS NOT NULL',
            'CREATE INDEX ix_push_log_fcm_message_id ON push_log (fcm_message_id) WHERE fcm_message_id <> ''''',
            'ALTER TABLE push_log ALTER sent_date DROP NOT NULL, ALTER sent_date DROP DEFAULT,
                DROP CONSTRAINT ck_push_log_promo_has_a_day',
            'UPDATE push_log SET sent_date = NULL WHERE promo_id IS NULL',
            'ALTER TABLE push_log ADD CONSTRAINT ck_push_log_promo_has_a_day CHECK (
                (promo_id IS NULL) = (sent_date IS NULL) AND (promo_id IS NULL) = (promo_notification_id IS NULL))'])
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
