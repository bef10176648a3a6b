"""The single pieces: API, worker, migrations, demo data, tests, checks, benchmark, cleaning."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from launcher import bootstrap, database, debian, env_file, leases, programs, schema, up
from launcher.cluster import development, testing
from launcher.console import Failure, child_environment, say
from launcher.database import Database
from launcher.places import state_folder
from launcher.programs import Program
from launcher.project import ROOT, VAR, VENV, VENV_PYTHON
from launcher.supervisor import Supervisor

CHECKS = (
    ("format", ("ruff", "format", "--check", ".")),
    ("lint", ("ruff", "check", ".")),
    ("types", ("mypy", "--strict")),
    ("architecture", ("python", "-m", "pytest", "-q", "tests/test_architecture.py")),
)

# Suites of security that stand with what they are about.
SECURITY_ELSEWHERE = (
    "tests/test_supply_chain.py",
    "tests/contract/test_contract.py::test_access",
    "tests/contract/test_objects.py::test_who_may",
    "tests/accounts/test_authenticator.py",
    "tests/accounts/test_refresh.py",
    "tests/accounts/test_sessions.py",
    "tests/accounts/test_guessed_codes.py",
    "tests/accounts/test_enumeration.py",
    "tests/payments/test_notifications.py",
    "tests/payments/test_settlement.py",
    "tests/storefront/test_hostile_pictures.py",
)
GOALS = tuple(ROOT / "tests" / "chaos" / name for name in ("results.json", "parts.json"))
# One process more than cores: what tests do most is wait, for commits and for servers that start.
_IN_PARALLEL = ("-n", str((os.cpu_count() or 1) + 1))
# From here on a code says which signal ended a program.
_BY_SIGNAL = 128
# What pytest ends with when no test is left.
_NOTHING_CHOSEN = 5


def run_api() -> int:
    with up.claim_ports({"PORT": programs.api_port()}):
        return _supervise(programs.api())


def run_worker() -> int:
    return _supervise(programs.worker())


def migrate() -> int:
    with _prepared() as found:
        schema.migrate(found, programs.environment(found))
    return 0


def demo() -> int:
    """Load the demo data again, and show where to begin."""
    with _prepared() as found:
        environment = programs.environment(found)
        schema.migrate_if_needed(found, environment)
        schema.command_line(["demo", "load"], environment)
        address = f"http://127.0.0.1:{programs.api_port()}"
        schema.command_line(["demo", "show", "--base-url", address], environment)
    return 0


def test() -> int:
    """Run pytest over the cores. Its closing line is the last that is printed, so nothing is said after it."""
    return _pytest(*_IN_PARALLEL)


def chaos() -> int:
    """Two runs: what only counts shares the machine, what measures times has it alone and ends with the table of both.

    Without ARGS nothing that an earlier run has measured is in it, and what neither has measured is said to be broken.
    """
    whole = () if _arguments() else ("--whole",)
    if whole:
        for kept in GOALS:
            kept.unlink(missing_ok=True)
    # The suites of one world take as long as all others together, in a process of their own: they begin.
    folders = ("tests/chaos", "tests/races", "tests/mutants", "tests/security")
    suites = (*folders, *SECURITY_ELSEWHERE, "--rounds=full", "--durations=20")
    codes = [
        _pytest(*suites, *_IN_PARALLEL, "--no-loadscope-reorder", "-m", "not alone"),
        _pytest(*suites, "-m", "alone", *whole),
    ]
    return next((code for code in codes if code not in {0, _NOTHING_CHOSEN}), 0)


def mutants() -> int:
    """Plant bugs in copies of the project, and show which tests notice them. ARGS are words of the bugs' names."""
    return _with_test_database("tests.mutants", *_arguments())


def bench() -> int:
    debian.install_for_bench()
    with _prepared() as found:
        extra = programs.environment(found) | {"BENCH_DATABASE_URL": found.admin_url}
        return foreground([str(VENV_PYTHON), "-m", "bench", *_arguments()], extra)


def check() -> int:
    """Every check, also after one has failed."""
    bootstrap.ensure()
    failed = []
    for name, (tool, *arguments) in CHECKS:
        say(name)
        if foreground([str(VENV / "bin" / tool), *arguments], {}) != 0:
            failed.append(name)
    if failed:
        raise Failure(f"these checks failed: {', '.join(failed)}")
    return 0


def clean() -> int:
    """Remove what the launcher made: environment, clusters with their data, generated files."""
    for cluster in (development(), testing()):
        if not leases.last_user(cluster.name):
            raise Failure(f"the {cluster.name} cluster is in use, by `make up` or a test run: stop that first")
        cluster.stop()
    say("removing .venv, var and the private clusters")
    env_file.forget()
    for folder in (VENV, VAR, state_folder()):
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def foreground(command: Sequence[str], extra: Mapping[str, str]) -> int:
    """Run a command on the terminal. Ctrl-C reaches it directly, so this process only waits."""
    process = subprocess.Popen(command, cwd=ROOT, env=child_environment(extra))

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, pass_on)
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    return code if code >= 0 else 128 - code


def _pytest(*arguments: str) -> int:
    return _with_test_database("pytest", *arguments, *_arguments())


def _with_test_database(module: str, *arguments: str) -> int:
    bootstrap.ensure()
    found = database.open_test_database()
    debian.install_for_tests()
    try:
        # Hundreds of processes are started meanwhile: where nothing may be cached, each would compile the project.
        compiled = foreground([str(VENV_PYTHON), "-m", "compileall", "-q", "-j", "0", "src"], {})
        if compiled >= _BY_SIGNAL:
            return compiled
        return foreground([str(VENV_PYTHON), "-m", module, *arguments], {"TEST_DATABASE_URL": found.url})
    finally:
        found.release()


def _supervise(program: Program) -> int:
    with _prepared() as found:
        Supervisor(programs.environment(found)).run([program])
    return 0


@contextmanager
def _prepared() -> Iterator[Database]:
    bootstrap.ensure()
    found = database.open_database()
    try:
        yield found
    finally:
        found.release()


def _arguments() -> list[str]:
    """What a person adds: `make test ARGS="-k holds"`."""
    return shlex.split(os.environ.get("ARGS", ""))
