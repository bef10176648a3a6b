"""`make bench`: all parts at one size. `QUICK=1` measures each in its smallest form and only prints, `FULL=1` adds more
sizes; `ARGS="holds orders"` are these parts alone. `python -m bench document` renews the pages' figures.
"""

import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from bench import dataset, document, results, subjects, tables
from bench.context import Bench
from bench.parts import NAMES, Part, chosen
from bench.plan import RESULTS, VAR, Mode, chosen_mode
from bench.rows import Row

DOCUMENT = "document"


def main(arguments: Sequence[str]) -> int:
    if list(arguments) == [DOCUMENT]:
        document.write(results.read(RESULTS))
        return 0
    # Ended by whomever, the servers that were started end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mode, begun = chosen_mode(), time.monotonic()
    admin_url = os.environ.get("BENCH_DATABASE_URL")
    if not admin_url:
        raise SystemExit("BENCH_DATABASE_URL is not set: start it with `make bench`")
    parts = chosen(arguments, mode)
    bench = Bench(admin_url, secrets.token_hex(32), mode)
    spent, broken = {}, []
    for part in parts:
        part_begun = time.monotonic()
        if not _measured(part, bench):
            broken.append(part.name)
        spent[part.name] = time.monotonic() - part_begun
    if mode.fails:
        document.write(results.read(RESULTS))
    print("\nseconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in spent.items()))
    return _end(mode, parts, broken, time.monotonic() - begun)


def _measured(part: Part, bench: Bench) -> bool:
    """Whether a part could be measured. Its rows are kept; those of a quick run apart from the others."""
    print(f"\n== {part.name}", flush=True)
    try:
        if part.peer:
            subjects.prepare_peer()
        rows = part.rows(bench)
    except (Exception, SystemExit) as error:
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        elif isinstance(error.code, int):
            raise
        print(f"{part.name} could not be measured: {error}", flush=True)
        return False
    facts = dataset.versions(dataset.prepare_empty(bench.admin_url)) | subjects.peer_versions()
    path = _results_of(bench.mode)
    rows = results.with_run(rows, bench.mode.name, command(bench.mode, part), facts)
    results.write(path, results.merged(results.read(path), rows, NAMES))
    print(f"\n{tables.table(rows)}", flush=True)
    return True


def _results_of(mode: Mode) -> Path:
    return RESULTS if mode.fails else VAR / f"{mode.name}.json"


def command(mode: Mode, part: Part) -> str:
    """What measures a part again."""
    extra = "" if mode.name == "default" else f" {mode.name.upper()}=1"
    return f"make bench{extra} ARGS={part.name}"


def _end(mode: Mode, parts: Sequence[Part], broken: Sequence[str], seconds: float) -> int:
    names = {part.name for part in parts}
    rows: list[Row] = [each for each in results.read(_results_of(mode)) if each["part"] in names]
    missed = [each for each in rows if each["met"] is False]
    for each in missed:
        print(f"missed: {each['scenario']}, {each['clients']} clients, {each['unit']}")
    if broken:
        print(f"not measured: {', '.join(broken)}")
    print(f"{mode.name}: {seconds:.0f} s; {len(missed)} goals missed")
    return int(mode.fails and bool(missed or broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
