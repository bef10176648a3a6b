"""The command line: Litestar's own with our groups, as `relampago ...` or `python -m app ...`."""

import os

from litestar.cli.main import litestar_group


def main() -> None:
    """Find the application by itself, then hand over to Litestar's command line."""
    os.environ.setdefault("LITESTAR_APP", "app.server:create_app")
    litestar_group(prog_name="relampago")


if __name__ == "__main__":
    main()
