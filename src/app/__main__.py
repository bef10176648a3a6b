"""The command line: Litestar's own with our groups, as `relampago ...` or `python -m app ...`."""

import os
import sys

from litestar.cli.main import litestar_group


def main() -> None:
    """Find the application by itself, then hand over to Litestar's command line."""
    os.environ.setdefault("LITESTAR_APP", "app.server:create_app")
    if sys.argv[1:2] != ["run"] and sys.argv[1:3] != ["jobs", "worker"]:
        # A command that is over in a moment would leave a file among those of the processes that serve.
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    litestar_group(prog_name="relampago")


if __name__ == "__main__":
    main()
