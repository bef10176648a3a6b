"""Many profiles, and three stores whose people are told of promotions."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.dataset import Data
from bench.plan import Mode

FILL = Path(__file__).with_suffix(".sql")
FEW = 200


@dataclass(frozen=True)
class Audiences:
    """So many people, of whom a promotion of the first store is for `large`, one of the second for `small`."""

    people: int
    large: int
    small: int

    @property
    def data(self) -> Data:
        sizes = {
            "users": self.people,
            "large": self.large,
            "refused": self.large // 5,
            "small": self.small,
            "few": FEW,
        }
        return Data(f"relampago_bench_audience_{self.people}_{self.large}", FILL, sizes)

    @property
    def sizes(self) -> dict[int, int]:
        """How many are told, by the ids of the promotions that are on, and of their stores."""
        return {1: self.large, 2: self.small}


def of_mode(mode: Mode) -> Audiences:
    return Audiences(mode.people, *mode.audiences)


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
