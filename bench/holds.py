"""Holds beside a Django shop's, and beside the same POST without database."""

import statistics
from dataclasses import replace
from functools import lru_cache

from bench import dataset, rounds
from bench.context import Bench
from bench.plan import HOT, Mode, Scenario
from bench.rounds import Round
from bench.rows import Row, row, shares
from bench.subjects import all_running

PART = "holds"
PEERS = ("peer-sync", "peer-gthread")
TRIALS, TRIAL_SECONDS = 3, 1.5
Measured = dict[str, list[Round]]


def measure(bench: Bench) -> list[Row]:
    """Rows of the result. Raises SystemExit for an answer that is no hold, and when units are lost."""
    url, mode = bench.database(), bench.mode
    peer = faster_peer(url, bench.secret, mode)
    rows = []
    for scenario in mode.scenarios:
        rows += rows_of(scenario, _measure(url, bench.secret, peer, scenario, mode))
    return rows


@lru_cache(maxsize=1)
def faster_peer(url: str, secret: str, mode: Mode) -> str:
    """The kind of gunicorn's workers with which the peer does more; in a quick run that which mostly does."""
    if not mode.fails:
        return PEERS[0]
    trial = replace(mode, seconds=TRIAL_SECONDS, warm_seconds=0.5)
    rates: dict[str, list[float]] = {name: [] for name in PEERS}
    with all_running(PEERS, url, secret) as subjects:
        for _ in range(TRIALS):
            for subject in subjects:
                rates[subject.name].append(rounds.attack(url, secret, subject, HOT, trial).rate)
    medians = {name: statistics.median(of) for name, of in rates.items()}
    print(", ".join(f"{name} {rate:.0f}/s" for name, rate in medians.items()), flush=True)
    return max(medians, key=medians.__getitem__)


def _measure(url: str, secret: str, peer: str, scenario: Scenario, mode: Mode) -> Measured:
    """All rounds of a scenario."""
    print(f"{scenario.name}, {scenario.clients} clients, {mode.rounds} rounds of {mode.seconds:g} s", flush=True)
    names = ("ours", "peer", "limit")
    measured: Measured = {name: [] for name in names}
    with (
        dataset.slow_commits(url, scenario.commit_delay),
        all_running((scenario.subject, peer, "limit"), url, secret) as subjects,
    ):
        for number in range(mode.rounds):
            for name, subject in zip(names, subjects, strict=True):
                measured[name].append(rounds.attack(url, secret, subject, scenario, mode))
            _show(number, measured)
    return measured


def _show(number: int, measured: Measured) -> None:
    last = {name: of[-1] for name, of in measured.items()}
    parts = [
        f"{name} {r.rate:6.0f}/s p50 {r.p50_ms:5.1f} p99 {r.p99_ms:5.1f} ms "
        f"cpu {r.server_us:.0f}+{r.database_us:.0f}+{r.client_us:.0f} us"
        for name, r in last.items()
    ]
    ratios = f"{last['ours'].rate / last['peer'].rate:.1f}x  {last['ours'].rate / last['limit'].rate:.0%}"
    print(f"{number + 1:2} {' | '.join(parts)} | {ratios}", flush=True)


def rows_of(scenario: Scenario, measured: Measured) -> list[Row]:
    """Throughput beside the peer, beside the ceiling, and the slowest hold in a hundred."""
    rates = {name: [each.rate for each in of] for name, of in measured.items()}
    slow = {name: [each.p99_ms for each in of] for name, of in measured.items()}
    more = {
        "clients": scenario.clients,
        "cpu_us": {name: _cpu(of) for name, of in measured.items()},
        "wal_bytes": round(statistics.median(each.wal_bytes for each in measured["ours"])),
        "busy": round(statistics.median(r.busy for of in measured.values() for r in of), 2),
    }
    to_peer, to_limit = shares(rates["ours"], rates["peer"]), shares(rates["ours"], rates["limit"])
    others = shares(slow["ours"], slow["peer"])
    unit = "holds/s beside a POST without database"
    return [
        row(PART, scenario.name, "holds/s", **rates, ratios=to_peer, least=scenario.to_peer, **more),
        row(PART, scenario.name, unit, **rates, ratios=to_limit, least=scenario.to_limit, **more),
        row(PART, scenario.name, "ms, p99", **slow, ratios=others, most=scenario.p99_ms, of="ours", **more),
    ]


def _cpu(of: list[Round]) -> dict[str, int]:
    return {
        "server": round(statistics.median(each.server_us for each in of)),
        "database": round(statistics.median(each.database_us for each in of)),
        "client": round(statistics.median(each.client_us for each in of)),
    }
