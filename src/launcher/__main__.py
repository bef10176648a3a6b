"""The launcher's commands: what the Makefile calls."""

import errno
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType

from launcher import bootstrap, database, tasks, up
from launcher.cluster import development, testing
from launcher.console import Failure
from launcher.project import secret

INTERRUPTED = 130
OTHER_ACCOUNT = "if another account (root?) ran `make` here before, go on as that one or remove var/ and .venv/"
OS_ADVICE = {
    errno.ENOSPC: "the disk is full; `make clean` frees what the launcher made",
    errno.EACCES: f"this account may not; {OTHER_ACCOUNT}",
    errno.EPERM: f"this account may not; {OTHER_ACCOUNT}",
    errno.EROFS: "the file system is read-only; .venv/ and var/ are made in the project's folder",
}


def env() -> int:
    """Start the development cluster, keep it until `stop`, and print what a shell needs to use it."""
    found = database.open_database(keep=True)
    _export({"DATABASE_URL": found.url, "DATABASE_ADMIN_URL": found.admin_url, "SECRET_KEY": secret("secret_key", 32)})
    return 0


def test_env() -> int:
    """Start the test cluster, keep it until `stop`, and print what a shell needs to use it."""
    _export({"TEST_DATABASE_URL": database.open_test_database(keep=True).url})
    return 0


def stop() -> int:
    """Stop the private clusters."""
    development().stop()
    testing().stop()
    return 0


def make_venv() -> int:
    bootstrap.ensure()
    return 0


COMMANDS: Mapping[str, Callable[[], int]] = {
    "up": up.up,
    "run": tasks.run_api,
    "worker": tasks.run_worker,
    "migrate": tasks.migrate,
    "demo": tasks.demo,
    "test": tasks.test,
    "check": tasks.check,
    "bench": tasks.bench,
    "chaos": tasks.chaos,
    "mutants": tasks.mutants,
    "clean": tasks.clean,
    "bootstrap": make_venv,
    "env": env,
    "test-env": test_env,
    "stop": stop,
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print("one of: " + ", ".join(COMMANDS), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return COMMANDS[arguments[0]]()
    except Failure as failure:
        return _give_up(str(failure))
    except OSError as error:
        if error.errno not in OS_ADVICE:
            raise
        return _give_up(f"{error.filename or error}: {OS_ADVICE[error.errno]}")
    except KeyboardInterrupt:
        return INTERRUPTED


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # As Ctrl-C does, so that what was started is stopped on the way out.
    raise KeyboardInterrupt


def _give_up(message: str) -> int:
    print(f"\nCannot go on: {message}", file=sys.stderr, flush=True)
    return 1


def _export(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
