"""The API's server, as it is deployed: `python -m app.serving --host 127.0.0.1 --port 8000 --workers 2`."""

import argparse
import os
from typing import Any

import uvicorn

from app.http.connection import Connection

# With the moment for which a process that is told to stop goes on answering: ten seconds in all.
GRACE_SECONDS = 7
KEEP_ALIVE_SECONDS = 75


def options(**changed: Any) -> dict[str, Any]:
    """Uvicorn's options for our application. What is not here is uvicorn's own choice."""
    return {
        "app": os.environ.get("LITESTAR_APP", "app.server:create_app"),
        "factory": True,
        "http": Connection,
        "ws": "none",
        # By itself uvicorn believes what a client on this machine says about its address; TRUSTED_PROXIES decides.
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        # Longer than proxies keep theirs: who closes first must not be whom the next request is on its way to.
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        **changed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.serving", description="Serve the API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    uvicorn.run(**options(host=asked.host, port=asked.port, workers=asked.workers))


if __name__ == "__main__":
    main()
