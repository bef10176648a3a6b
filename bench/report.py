"""Rows of the result: medians, the ratios of the pairs with their spread, what was asked and whether it was met."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import audience_report
from bench.plan import DOCUMENT, RESULTS, Mode, Scenario
from bench.rounds import Round, median

Row = dict[str, Any]
Measured = Mapping[str, Sequence[Round]]
BEGIN, END = "<!-- figures: written by `python -m bench document` -->", "<!-- end of the figures -->"
HOLDS = "holds"
LIBRARIES = ("litestar", "uvicorn", "uvloop", "asyncpg", "msgspec")


def rows_of(scenario: Scenario, measured: Measured) -> list[Row]:
    """Throughput beside the peer, beside the ceiling, and the slowest hold in a hundred."""
    ours, peer, limit = (measured[name] for name in ("ours", "peer", "limit"))
    rates = {"ours": _rate(ours), "peer": _rate(peer), "limit": _rate(limit)}
    rows = [
        _row(scenario, "holds/s beside the peer", rates, _pairs(ours, peer), scenario.to_peer),
        _row(scenario, "holds/s beside a POST without database", rates, _pairs(ours, limit), scenario.to_limit),
    ]
    slow = {name: round(median(of, lambda r: r.p99_ms), 1) for name, of in measured.items()}
    ratios = [a.p99_ms / b.p99_ms for a, b in zip(ours, peer, strict=True)]
    rows.append(_row(scenario, "p99 ms", slow, ratios, None) | {"goal": scenario.p99_ms})
    if scenario.p99_ms is not None:
        rows[-1]["met"] = slow["ours"] < scenario.p99_ms
    for row in rows:
        row["cpu_us"] = {name: _cpu(of) for name, of in measured.items()}
        row["busy"] = round(statistics.median(r.busy for of in measured.values() for r in of), 2)
    return rows


def _row(
    scenario: Scenario, unit: str, figures: Mapping[str, float], ratios: Sequence[float], goal: float | None
) -> Row:
    ratio = statistics.median(ratios)
    return {
        "scenario": scenario.name,
        "unit": unit,
        "clients": scenario.clients,
        **figures,
        "ratio": round(ratio, 3),
        "ratio_low": round(min(ratios), 3),
        "ratio_high": round(max(ratios), 3),
        "rounds": len(ratios),
        "goal": goal,
        "met": None if goal is None else ratio >= goal,
    }


def _rate(rounds: Sequence[Round]) -> float:
    return round(median(rounds, lambda r: r.rate))


def _pairs(ours: Sequence[Round], other: Sequence[Round]) -> list[float]:
    return [a.rate / b.rate for a, b in zip(ours, other, strict=True)]


def _cpu(rounds: Sequence[Round]) -> dict[str, int]:
    return {
        "server": round(median(rounds, lambda r: r.server_us)),
        "database": round(median(rounds, lambda r: r.database_us)),
        "client": round(median(rounds, lambda r: r.client_us)),
    }


def write(rows: Sequence[Row], mode: Mode, facts: Mapping[str, str], part: str = HOLDS) -> None:
    """`latest.json` is a list of rows, whose `run` says where and how they came about; other parts' rows are kept."""
    kept = [row for row in _last() if row.get("part", HOLDS) != part]
    rows = sorted([*kept, *rows], key=lambda row: row.get("part", HOLDS) != HOLDS)
    run = {"mode": mode.name, **machine(), **facts}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([{"run": run} | row for row in rows], indent=1) + "\n")


def _last() -> list[Row]:
    return list(json.loads(RESULTS.read_text())) if RESULTS.exists() else []


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    lines = [
        "| scenario | clients | ours | peer | limit | ratio (lowest to highest of the pairs) | goal | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        met = {None: "", True: "yes", False: "**no**"}[row["met"]]
        goal = "" if row["goal"] is None else f"{'<' if row['unit'] == 'p99 ms' else '≥'} {row['goal']:g}"
        spread = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
        figures = " | ".join(f"{row[name]:,}" for name in ("ours", "peer", "limit"))
        lines.append(f"| {row['scenario']}: {row['unit']} | {row['clients']} | {figures} | {spread} | {goal} | {met} |")
    return "\n".join(lines)


def costs(rows: Sequence[Row]) -> str:
    """Processor time an answer, which a busy machine changes little."""
    lines = ["| scenario | clients | | server | database | clients |", "|---|---|---|---|---|---|"]
    seen = set()
    for row in rows:
        key = (row["scenario"], row["clients"])
        if key in seen:
            continue
        seen.add(key)
        for name, cpu in row["cpu_us"].items():
            cells = " | ".join(f"{cpu[part]:,}" for part in ("server", "database", "client"))
            lines.append(f"| {row['scenario']} | {row['clients']} | {name} | {cells} |")
    return "\n".join(lines)


def document() -> None:
    """Write the last results into the page about performance, between its two marks."""
    every = _last()
    told = [row for row in every if row.get("part") == audience_report.PART]
    shop = [row for row in every if row.get("part", HOLDS) not in {HOLDS, audience_report.PART}]
    rows = [row for row in every if row not in told and row not in shop]
    facts = "\n".join(f"| {name} | {value} |" for name, value in every[0]["run"].items())
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    figures = (
        f"{table(rows)}\n\nProcessor time, in microseconds an answer:\n\n{costs(rows)}\n\n"
        f"Audiences and pushes:\n\n{audience_report.table(told)}\n\n"
        f"Logins, statistics, lists of products:\n\n{audience_report.table(shop)}\n\n| | |\n|---|---|\n{facts}"
    )
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}")
