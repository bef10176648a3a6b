"""Counters of ids are raised by the application alone, and never set back beside somebody who draws from them."""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

# So many ids are drawn. What is farther off is set: nobody draws as many between the look and the setting.
NEAR = 10_000
SIGNATURE = "ids_at_least(p_table text, p_least bigint) RETURNS void"
AS_OWNER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(f"""
        CREATE OR REPLACE FUNCTION {SIGNATURE} {AS_OWNER} AS $$
        DECLARE
            counter regclass := pg_get_serial_sequence(format('public.%I', p_table), 'id');
            missing bigint := p_least - COALESCE(pg_sequence_last_value(counter), 0);
        BEGIN
            IF missing > {NEAR} THEN
                PERFORM setval(counter, p_least, true);
            ELSE
                PERFORM nextval(counter) FROM generate_series(1, missing);
            END IF;
        END $$
    """)
    op.execute("REVOKE EXECUTE ON FUNCTION ids_at_least(text, bigint) FROM PUBLIC")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("GRANT EXECUTE ON FUNCTION ids_at_least(text, bigint) TO PUBLIC")
    op.execute(f"""
        CREATE OR REPLACE FUNCTION {SIGNATURE} {AS_OWNER} AS $$
        DECLARE
            counter regclass := pg_get_serial_sequence(format('public.%I', p_table), 'id');
        BEGIN
            IF p_least > COALESCE(pg_sequence_last_value(counter), 0) THEN
                PERFORM setval(counter, p_least, true);
            END IF;
        END $$
    """)
