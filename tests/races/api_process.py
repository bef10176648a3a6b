"""One API process of a race: uvicorn on a socket that the harness has bound, so that no port is chosen twice."""

import socket
import sys

import uvicorn


def main() -> None:
    config = uvicorn.Config(
        "app.server:create_app",
        factory=True,
        proxy_headers=False,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        # Longer than any pause between two rounds: a connection that closes as it is used again is no answer.
        timeout_keep_alive=600,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
