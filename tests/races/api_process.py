"""One API process of a race: our server on a socket that the harness has bound, so that no port is chosen twice."""

import os
import socket
import sys

import uvicorn

from app.http.connection import Connection
from app.serving import options

HASTY = "TEST_HASTY"


class Hasty(Connection):
    """Lets go of the slow ten times as early."""

    look_seconds = Connection.look_seconds / 10
    head_seconds = Connection.head_seconds / 10
    body_seconds = Connection.body_seconds / 10
    body_bytes = Connection.body_bytes // 10
    answer_seconds = Connection.answer_seconds / 10


def main() -> None:
    config = uvicorn.Config(
        **options(
            http=Hasty if HASTY in os.environ else Connection,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
            # Longer than any pause between two rounds: a connection that closes as it is used again is no answer.
            timeout_keep_alive=600,
        )
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
