"""`make bench`, with QUICK=1 or FULL=1 less or more; ARGS=holds, orders, audience, catalogue, logins or statistics
is that part alone.

`python -m bench document` renews the page's figures.
"""

import os
import secrets
import signal
import statistics
import sys
import time
from dataclasses import replace

from bench import (
    audience,
    audience_report,
    audience_worker,
    catalogue,
    dataset,
    figures,
    logins,
    orders,
    report,
    rounds,
)
from bench.audience_dataset import AUDIENCES
from bench.plan import HOT, Mode, Scenario, chosen_mode
from bench.subjects import all_running, peer_versions, prepare_peer

PEERS = ("peer-sync", "peer-gthread")
TRIALS, TRIAL_SECONDS = 3, 1.5


def main() -> int:
    if sys.argv[1:] == ["document"]:
        report.document()
        return 0
    # Ended by whomever, the servers that were started end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mode, started = chosen_mode(), time.monotonic()
    admin_url = os.environ.get("BENCH_DATABASE_URL")
    if not admin_url:
        raise SystemExit("BENCH_DATABASE_URL is not set: start it with `make bench`")
    secret = secrets.token_hex(32)
    if sys.argv[1:] in ([logins.PART], [figures.PART]):
        return shop(admin_url, secret, mode, sys.argv[1])
    prepare_peer()
    if sys.argv[1:] == [audience_report.PART]:
        return audiences(admin_url, secret, mode)
    if sys.argv[1:] == [catalogue.PART]:
        return lists(admin_url, secret, mode)
    if sys.argv[1:] == [orders.PART]:
        return orders_beside(admin_url, secret, mode)
    url = dataset.prepare(admin_url)
    peer = faster_peer(url, secret, mode)
    rows = []
    for scenario in mode.scenarios:
        rows += report.rows_of(scenario, measure(url, secret, peer, scenario, mode))
    report.write(rows, mode, dataset.versions(url) | {"peer": peer, **peer_versions()})
    print(f"\n{report.table(rows)}\n\nmicroseconds of processor time an answer\n{report.costs(rows)}\n")
    print(f"{mode.name}: {time.monotonic() - started:.0f} s; a ratio is that of one round, the median of the rounds")
    missed = [row for row in rows if row["met"] is False]
    for row in missed:
        print(f"missed: {row['scenario']}, {row['unit']}")
    failed = bool(missed) and mode.fails
    if not mode.audiences or sys.argv[1:] == [report.HOLDS]:
        return int(failed)
    return int(bool(audiences(admin_url, secret, mode)) or failed)


def shop(admin_url: str, secret: str, mode: Mode, part: str) -> int:
    """What stands beside no peer: other requests while many log in, or statistics of many orders."""
    url = dataset.prepare(admin_url, figures.SHOP if part == figures.PART else dataset.HOLDS)
    measured = logins.measure(url, secret, mode) if part == logins.PART else figures.measure(url, secret, mode.rounds)
    report.write(measured, mode, dataset.versions(url), part=part)
    print(f"\n{audience_report.table(measured)}\n", flush=True)
    return int(mode.fails and any(row["met"] is False for row in measured))


def lists(admin_url: str, secret: str, mode: Mode) -> int:
    """Lists of products."""
    rows = catalogue.measure(admin_url, secret, mode)
    url = dataset.prepare(admin_url, catalogue.data_of(catalogue.USUAL))
    report.write(rows, mode, dataset.versions(url) | peer_versions(), part=catalogue.PART)
    print(f"\n{audience_report.table(rows)}\n", flush=True)
    return int(mode.fails and any(row["met"] is False for row in rows))


def orders_beside(admin_url: str, secret: str, mode: Mode) -> int:
    """Orders beside the peer's; its threads are what it does more with where it waits for rows."""
    url = dataset.prepare(admin_url)
    measured = orders.measure(url, secret, "peer-gthread", mode)
    report.write(measured, mode, dataset.versions(url) | peer_versions(), part=orders.PART)
    print(f"\n{audience_report.table(measured)}\n", flush=True)
    return int(mode.fails and any(row["met"] is False for row in measured))


def audiences(admin_url: str, secret: str, mode: Mode) -> int:
    """The audiences and the pushes."""
    url = dataset.prepare(admin_url, AUDIENCES)
    rows = audience.measure(url, secret, mode.rounds) + audience_worker.measure(url, secret, mode.promos)
    report.write(rows, mode, dataset.versions(url) | peer_versions(), part=audience_report.PART)
    print(f"\n{audience_report.table(rows)}\n", flush=True)
    return int(mode.fails and any(row["met"] is False for row in rows))


def faster_peer(url: str, secret: str, mode: Mode) -> str:
    """The kind of gunicorn's workers with which the peer does more."""
    trial = replace(mode, seconds=TRIAL_SECONDS, warm_seconds=0.5)
    rates: dict[str, list[float]] = {name: [] for name in PEERS}
    with all_running(PEERS, url, secret) as subjects:
        for _ in range(TRIALS):
            for subject in subjects:
                rates[subject.name].append(rounds.attack(url, secret, subject, HOT, trial).rate)
    medians = {name: statistics.median(of) for name, of in rates.items()}
    print(", ".join(f"{name} {rate:.0f}/s" for name, rate in medians.items()), flush=True)
    return max(medians, key=medians.__getitem__)


def measure(url: str, secret: str, peer: str, scenario: Scenario, mode: Mode) -> report.Measured:
    """All rounds of a scenario."""
    print(f"\n{scenario.name}, {scenario.clients} clients, {mode.rounds} rounds of {mode.seconds:g} s", flush=True)
    dataset.delay_commits(url, scenario.commit_delay)
    try:
        with all_running((scenario.subject, peer, "limit"), url, secret) as subjects:
            names = ("ours", "peer", "limit")
            measured: dict[str, list[rounds.Round]] = {name: [] for name in names}
            for number in range(mode.rounds):
                for name, subject in zip(names, subjects, strict=True):
                    measured[name].append(rounds.attack(url, secret, subject, scenario, mode))
                show(number, measured)
    finally:
        dataset.delay_commits(url, 0)
    return measured


def show(number: int, measured: report.Measured) -> None:
    last = {name: of[-1] for name, of in measured.items()}
    parts = [
        f"{name} {r.rate:6.0f}/s p50 {r.p50_ms:5.1f} p99 {r.p99_ms:5.1f} ms "
        f"cpu {r.server_us:.0f}+{r.database_us:.0f}+{r.client_us:.0f} us"
        for name, r in last.items()
    ]
    ratios = f"{last['ours'].rate / last['peer'].rate:.1f}x  {last['ours'].rate / last['limit'].rate:.0%}"
    print(f"{number + 1:2} {' | '.join(parts)} | {ratios}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
