"""The launcher's commands: what the Makefile calls."""

import shlex
import sys
from collections.abc import Callable

from launcher import bootstrap, database
from launcher.cluster import development, testing
from launcher.console import Failure
from launcher.project import secret


def env() -> int:
    """Start the development cluster, keep it, and print what a shell needs to use it."""
    found = database.open_database(keep=True)
    _export({"DATABASE_URL": found.url, "DATABASE_ADMIN_URL": found.admin_url, "SECRET_KEY": secret("secret_key", 32)})
    return 0


def test_env() -> int:
    """Start the test cluster, keep it, and print what a shell needs to use it."""
    _export({"TEST_DATABASE_URL": database.open_test_database(keep=True).url})
    return 0


def stop() -> int:
    """Stop the private clusters."""
    development().stop()
    testing().stop()
    return 0


def make_venv() -> int:
    """Make the virtual environment, with everything that the application and its tests need."""
    bootstrap.ensure()
    return 0


COMMANDS: dict[str, Callable[[], int]] = {"bootstrap": make_venv, "env": env, "test-env": test_env, "stop": stop}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        print("commands: " + ", ".join(COMMANDS), file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]]()
    except Failure as failure:
        print(f"\nCannot go on: {failure}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130


def _export(values: dict[str, str]) -> None:
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
