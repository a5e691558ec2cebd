"""Runs a module as a child that ends with its parent: `python -m engine.child PARENT_PID MODULE [ARGUMENT...]`.

The kernel sends the child SIGTERM when its parent dies (prctl(2), PR_SET_PDEATHSIG), however that happens.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with(parent_pid: int) -> None:
    """Ask for SIGTERM when the parent dies; raises SystemExit where it is dead already, OSError where refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
    if os.getppid() != parent_pid:
        raise SystemExit(0)


def main() -> None:
    """Entry point of the child."""
    parent_pid, module, *arguments = sys.argv[1:]
    end_with(int(parent_pid))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
