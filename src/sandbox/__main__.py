"""`python -m sandbox`: the stand-ins on SANDBOX_PORT, the mail server on SMTP_PORT, until a signal."""

import asyncio
import signal
import sys

import uvloop

from launcher.project import VAR, port_setting, production
from sandbox.server import open_sandbox


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = port_setting("SANDBOX_PORT", port_setting("PORT", 8000) + 1)
    account_file = VAR / "sandbox" / f"service-account-{port}.json"
    async with open_sandbox(account_file, port=port, smtp_port=port_setting("SMTP_PORT", port + 1)) as sandbox:
        sys.stdout.write(f"sandbox at {sandbox.url}, mail server on port {sandbox.smtp_port}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    if production():
        sys.exit("the sandbox is for development: production talks to the real providers")
    uvloop.run(main())
