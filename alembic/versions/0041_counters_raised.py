"""Moving in lets counters of ids rise, which the application's role may not do by itself."""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # As the owner, and upwards alone: who may set a counter back makes ids that are there already.
    op.execute("""
        CREATE FUNCTION ids_at_least(p_table text, p_least bigint) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            counter regclass := pg_get_serial_sequence(format('public.%I', p_table), 'id');
        BEGIN
            IF p_least > COALESCE(pg_sequence_last_value(counter), 0) THEN
                PERFORM setval(counter, p_least, true);
            END IF;
        END $$
    """)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION ids_at_least(text, bigint)")
