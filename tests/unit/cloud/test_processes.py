from __future__ import annotations

import os
import subprocess
import sys
import time

from underpaint.cloud import processes

SLEEP = [sys.executable, "-c", "input()"]
GUARDED = """
import os, subprocess, sys
from underpaint.cloud.leftovers import Leftovers
leftovers = Leftovers()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
leftovers.tell([child.pid, leftovers.pid])
print(child.pid, leftovers.pid, flush=True)
input()
"""


def start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_descendants_are_found_by_name_and_ended() -> None:
    child = start(SLEEP)
    assert child.pid in processes.descendants(os.getpid())
    assert processes.is_alive(child.pid)
    processes.end([child.pid], patience_s=0)
    assert child.wait(30) < 0
    assert not processes.is_alive(child.pid)
    assert child.pid not in processes.descendants(os.getpid())


def test_who_ends_by_itself_is_left_to_do_so() -> None:
    child = start([sys.executable, "-c", "pass"])
    processes.end([child.pid], patience_s=30)
    assert child.wait(30) == 0


def test_a_process_is_found_by_its_command_line() -> None:
    folder = f"/the-private-folder-of-{os.getpid()}/"
    child = start([sys.executable, "-c", "print(flush=True); input()", folder])
    assert child.stdout is not None
    child.stdout.readline()  # a process that is just being started has no command line yet
    assert processes.mentioning(folder) == {child.pid}
    child.kill()
    child.wait(30)


def test_the_leftovers_process_ends_what_a_killed_process_leaves() -> None:
    parent = start([sys.executable, "-c", GUARDED])
    assert parent.stdout is not None
    left = [int(pid) for pid in parent.stdout.readline().split()]
    assert all(processes.is_alive(pid) for pid in left)
    parent.kill()
    parent.wait(30)
    while any(processes.is_alive(pid) for pid in left):  # bounded by the test's own limit
        time.sleep(0.02)
