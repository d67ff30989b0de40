"""Runs a command so that it ends with the process that launched it, even if that is killed.

Run as a script by path, without the site packages: it has to start in milliseconds.
    python -I -S launcher.py LAUNCHER_PID COMMAND [ARGUMENT...]
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Asks the kernel for a signal at the parent's death, then becomes the command by exec."""
    launcher, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != launcher:
        sys.exit(1)  # the parent died before the request took effect
    os.execvp(command[0], command)  # noqa: S606 - the supervisor's own command, no shell


if __name__ == "__main__":
    main()
