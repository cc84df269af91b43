"""How much memory a process takes, as Linux counts it."""

from __future__ import annotations

from pathlib import Path


def _resident(kind: str) -> int:
    """Bytes in memory: VmRSS is now, VmHWM the most since `Peak` began."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


class Peak:
    """How far this process's memory rises above what it was when this was made."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # the highest mark anew
        self.before = _resident("VmRSS")

    @property
    def rise(self) -> int:
        """Bytes."""
        return _resident("VmHWM") - self.before
