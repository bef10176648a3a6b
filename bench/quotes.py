"""CPU of a quote: `python -m bench.quotes` prices 50 lines under 20 rules again and again and prints milliseconds.

The engine alone: what a request adds (HTTP, at most four statements) is not in the figure.
"""

import datetime as dt
import statistics
import time
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.pricing.rules.engine import price
from app.domain.pricing.rules.facts import Bulk, Coupon, Line, Offer, Rules, Scheduled
from app.domain.pricing.rules.windows import Weekly

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=ZONE)
DAY = dt.timedelta(days=1)
LINES = 50
ROUNDS = 300


def purchase() -> tuple[list[Line], Rules]:
    """Fifty lines in ten categories, three deep; offers, discounts by weekday, promotions and a coupon."""
    lines = [
        Line(n, 1 + n % 7, Decimal(1500 + n), Decimal(n % 3), Decimal(n % 20), (n % 10, 10, 11)) for n in range(LINES)
    ]
    offers = [
        Offer(f"o{n}", Decimal(10 + n), NOW - DAY, NOW + n * DAY, frozenset(range(n, LINES, 5))) for n in range(1, 9)
    ]
    weekly = [Scheduled(f"s{n}", Decimal(12 + n), n, Weekly(n % 7, dt.time(9), dt.time(12 + n))) for n in range(7)]
    bulk = [
        Bulk(UUID(int=n), f"b{n}", 3, 2, NOW - DAY, NOW + DAY, n, 2, frozenset(range(n, LINES, 9)), frozenset({n}))
        for n in range(5)
    ]
    some = frozenset({1, 2, 3})
    coupon = Coupon(UUID(int=99), "CODE", "percentage", Decimal(20), for_categories=True, categories=some)
    return lines, Rules(tuple(offers), tuple(weekly), tuple(bulk), coupon)


def milliseconds(rounds: int = ROUNDS) -> Sequence[float]:
    """CPU of each of so many quotes."""
    lines, rules = purchase()
    found = []
    for _ in range(rounds):
        start = time.process_time_ns()
        price(lines, rules, now=NOW, zone=ZONE)
        found.append((time.process_time_ns() - start) / 1e6)
    return found


def main() -> None:
    found = sorted(milliseconds())
    print(f"50 lines, 20 rules and a coupon: median {statistics.median(found):.2f} ms of CPU, worst {found[-1]:.2f} ms")


if __name__ == "__main__":
    main()
