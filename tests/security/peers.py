"""What schemathesis loads beside itself where two customers are peers: a count of what it has compared.

Whether one customer reads what another owns is one of its checks, which says nothing of how often it had anything to
compare: each time is a line of the file that `FUZZ_COMPARED` names. To import this is to change schemathesis; only its
own process does.
"""

import json
import os
from pathlib import Path
from typing import Any

from schemathesis.specs.openapi import object_authorization

_plain = object_authorization._leaks


def counted(read: Any, peer: str, peer_response: Any, value: object) -> bool:
    """In the place of the check's own: the same, and a line."""
    leaks = _plain(read, peer, peer_response, value)
    told = [read.case.operation.label, read.owner, peer, peer_response.status_code, leaks]
    with Path(os.environ["FUZZ_COMPARED"]).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(told)}\n")
    return leaks


object_authorization._leaks = counted
