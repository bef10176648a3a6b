"""A million profiles, and three stores whose people are told of promotions."""

from contextlib import suppress
from pathlib import Path

import psycopg

from bench.dataset import Data

PEOPLE, LARGE, REFUSED, SMALL, FEW = 1_000_000, 50_000, 10_000, 1_000, 200
AUDIENCES = Data(
    "relampago_bench_audience",
    Path(__file__).with_suffix(".sql"),
    {"users": PEOPLE, "large": LARGE, "refused": REFUSED, "small": SMALL, "few": FEW},
)
# By the ids of the promotions that are on, and of their stores.
SIZES = {1: LARGE, 2: SMALL}


def forget(url: str) -> None:
    """Nobody was told of anything, no job waits, and only the two promotions exist."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE promo_notification, push_log, procrastinate_jobs, procrastinate_events CASCADE")
        connection.execute("DELETE FROM flash_promo WHERE id > 100")
        # What one subject has written is not for the next one to pay. Only a superuser may ask for it.
        with suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("CHECKPOINT")


def pause(url: str, *, paused: bool) -> None:
    """Take the two promotions off, so that a worker's sweeps find only what a scenario adds."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE flash_promo SET cancelled_at = CASE WHEN %s THEN now() END WHERE id <= 100", [paused]
        )


def told(url: str, promo: int) -> int:
    """Day rows of a promotion."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM promo_notification WHERE promo_id = %s", [promo]).fetchone()
    return int(row[0]) if row else 0
