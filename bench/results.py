"""`latest.json`: a list of rows, each with the run it comes from, put together part by part."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from bench.rows import Row

LIBRARIES = ("litestar", "uvicorn", "uvloop", "asyncpg", "msgspec", "procrastinate")


def merged(kept: Sequence[Row], new: Sequence[Row], order: Sequence[str]) -> list[Row]:
    """The new rows in the place of their part's old ones, every part in its order; parts that are no more are gone."""
    parts = {each["part"] for each in new}
    rows = [each for each in kept if each["part"] not in parts and each["part"] in order] + list(new)
    return sorted(rows, key=lambda each: order.index(each["part"]))


def read(path: Path) -> list[Row]:
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def write(path: Path, rows: Sequence[Row]) -> None:
    """One row a line, so that a new figure is a line's change."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def with_run(rows: Sequence[Row], mode: str, command: str, facts: Mapping[str, str]) -> list[Row]:
    """The rows with where and how they came about."""
    run = {"mode": mode, "command": command, **machine(), **facts}
    return [each | {"run": run} for each in rows]


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "processor": _processor(),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.0f} GB"
