"""What is counted and timed, for Prometheus.

With `PROMETHEUS_MULTIPROC_DIR` every process that has it writes a file in that folder, and whoever is asked answers for
all of them; without it a process answers for itself. The library reads the variable when it is first imported.
"""

import ipaddress
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hmac import compare_digest
from pathlib import Path
from socket import gethostname
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def process_name() -> str:
    """Names a process's file. Containers that share a folder each have a process 1."""
    return f"{gethostname().replace('_', '-')}-{os.getpid()}"


# Metrics open their files as soon as they are named.
if _folder := os.environ.get(FOLDER_VARIABLE):
    Path(_folder).mkdir(parents=True, exist_ok=True)
    values.ValueClass = values.MultiProcessValue(process_name)  # type: ignore[no-untyped-call]
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Histogram(
    "relampago_request_seconds", "Requests by method, route and status", ["method", "route", "status"], buckets=_FAST
)
HOLDS = Counter("relampago_holds", "Asked for holds, by what became of them", ["outcome"])
LOCK_WAIT = Histogram("relampago_lock_wait_seconds", "Holds that had to wait for the locks of slots", buckets=_FAST)
POOL_WAIT = Histogram("relampago_pool_wait_seconds", "Waiting for a connection to the database", buckets=_FAST)
STANDBY_READS = Counter("relampago_standby_reads", "Reads that may go to the replica, by who answered", ["by"])
PROVIDERS = Histogram(
    "relampago_provider_seconds", "Calls of providers, by how they ended", ["provider", "outcome"], buckets=_FAST
)
JOBS = Histogram("relampago_job_seconds", "Runs of jobs, by how they ended", ["job", "outcome"], buckets=_FAST)


class Gauge(Collector):
    """One figure that was just read, or several by a label."""

    def __init__(self, name: str, text: str, label: str = "", values: Iterable[tuple[str, float]] = ()) -> None:
        self._family = GaugeMetricFamily(name, text, labels=[label] if label else [])
        for key, value in values:
            self._family.add_metric([key] if label else [], value)

    def collect(self) -> Iterable[Metric]:
        return [self._family]


@contextmanager
def provider_call(provider: str) -> Iterator[None]:
    """Times a call; its outcome is `ok` or the name of the error that it raises."""
    begun, outcome = time.perf_counter(), "ok"
    try:
        yield
    except BaseException as error:
        outcome = type(error).__name__
        raise
    finally:
        PROVIDERS.labels(provider, outcome).observe(time.perf_counter() - begun)


def may_read(address: str | None, headers: Mapping[str, str] | Any, token: str) -> bool:
    """Whether a caller may read what is counted: it sits here, or it bears the token. `headers` know no case.

    Somebody's proxy that sits here says so in a header, trusted or not.
    """
    here = address is not None and ipaddress.ip_address(address).is_loopback
    if here and not any(name in headers for name in _FORWARDED):
        return True
    found = re.fullmatch(r"(?i)bearer +(\S+)", headers.get("authorization", ""))
    return bool(token and found) and compare_digest((found[1] if found else "").encode(), token.encode())


def exposition(gauges: Iterable[Collector]) -> bytes:
    """Everything in Prometheus' text format: what processes counted, and figures that were just read."""
    registry = CollectorRegistry()
    if os.environ.get(FOLDER_VARIABLE):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        counted = generate_latest(registry)
    else:
        counted = generate_latest(REGISTRY)
    read = CollectorRegistry()
    for gauge in gauges:
        read.register(gauge)
    return counted + generate_latest(read)
