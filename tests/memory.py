"""How much memory this process has taken at the most meanwhile, as the system counts it: what was freed counts too."""

import ctypes
import gc
from pathlib import Path

OF_THIS_PROCESS = Path("/proc/self")
# What makes the system forget the most that the process ever had.
FORGET = "5"


class Growth:
    """From its making on. What the allocator keeps of earlier work is given back first, or it would hide as much."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()  # what stays is looked through this once, and not again by the next of them
        ctypes.CDLL(None).malloc_trim(0)
        (OF_THIS_PROCESS / "clear_refs").write_text(FORGET, encoding="ascii")
        self._before = _mb("VmRSS")

    @property
    def mb(self) -> float:
        """The most so far."""
        return _mb("VmHWM") - self._before


def _mb(name: str) -> float:
    lines = (OF_THIS_PROCESS / "status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))
