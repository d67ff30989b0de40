"""What is done with policies of others has bounds, and ends alone when it passes them."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
import time

import pytest
from underpaint.contract.errors import EngineBusy, InvalidRequest, ServiceUnreachable
from underpaint.orchestrator.policy import jobs
from underpaint.orchestrator.policy.isolation import Isolation

from tests.unit.orchestrator.policy.scenes import rule

# Past every bound on conditions, straight to the library: it doubles a list 26 times.
HOSTILE = """(lambda library: library.NewEnv(variables={}).compile(
    "[[1, 1, 1]]" + ".map(a, a + a)" * 26 + "[0].size() > 0"
).eval().value())(__import__("cel_expr_python.cel").cel)"""
FULL = frozenset({"full"})


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_an_answer_and_an_error_come_as_they_are_there() -> None:
    isolation = Isolation()
    assert (await isolation.run(jobs.checked, rule(), FULL, None)).rules == 1
    with pytest.raises(InvalidRequest, match=r"policy:3: .*draft.x is unknown"):
        await isolation.run(jobs.begin_replay, rule("draft.x == 1"), {})


async def test_a_condition_that_takes_all_memory_ends_its_own_process_only() -> None:
    isolation = Isolation(processes=1)
    for breach in HOSTILE, "'x' * (1 << 30)", "__import__('os').abort()":
        with pytest.raises(InvalidRequest, match=r"too much memory \(more than 512 MiB\); use"):
            await isolation.run(eval, breach)
    assert (await isolation.run(jobs.checked, rule(), FULL, None)).rules == 1


async def test_a_call_that_takes_too_long_is_ended_and_the_next_answers() -> None:
    isolation = Isolation(processes=1, call_s=2.0)
    async with isolation.process() as process:
        pid = await process.call(os.getpid)
        with pytest.raises(InvalidRequest, match=r"too much time \(more than 2 s\); use fewer"):
            await process.call(time.sleep, 600)
    assert not alive(pid)
    assert await isolation.run(os.getpid) != pid


async def test_one_that_stands_still_is_ended_from_outside() -> None:
    async with Isolation(call_s=1.0).process() as process:
        with pytest.raises(InvalidRequest, match="too much time"):
            await process.call(signal.raise_signal, signal.SIGSTOP)


async def test_who_leaves_takes_the_process_along() -> None:
    isolation = Isolation(processes=1)
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ask() -> None:
        async with isolation.process() as process:
            started.set_result(await process.call(os.getpid))
            await process.call(time.sleep, 600)

    asking = asyncio.create_task(ask())
    pid = await started
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not alive(pid)
    assert await isolation.run(os.getpid) != pid  # its place is free


async def test_no_more_run_at_once_than_may() -> None:
    isolation = Isolation(processes=2, wait_s=0.05)
    async with isolation.process() as one, isolation.process() as other:
        assert await one.call(os.getpid) != await other.call(os.getpid)
        with pytest.raises(EngineBusy, match=r"2 policies are being checked.* in a moment"):
            await isolation.run(os.getpid)
    await isolation.run(os.getpid)


async def test_a_crowd_is_turned_away_at_once() -> None:
    isolation = Isolation(processes=1, wait_s=600)
    async with isolation.process():
        waiting = [asyncio.create_task(isolation.run(os.getpid)) for _ in range(16)]
        await asyncio.sleep(0)
        with pytest.raises(EngineBusy):
            await isolation.run(os.getpid)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await isolation.run(os.getpid)


async def test_closed_it_has_ended_what_ran_and_starts_nothing_more() -> None:
    isolation = Isolation(processes=2, call_s=600)
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ask() -> None:
        async with isolation.process() as process:
            started.set_result(await process.call(os.getpid))
            await process.call(time.sleep, 600)

    asking = asyncio.create_task(ask())
    pid = await started
    starting = asyncio.create_task(isolation.run(time.sleep, 600))
    await asyncio.sleep(0)
    await isolation.close()
    assert not alive(pid)
    for each in asking, starting, asyncio.create_task(isolation.run(os.getpid)):
        with pytest.raises(ServiceUnreachable, match="the orchestrator is stopping"):
            await each


async def test_one_that_cannot_run_is_no_fault_of_the_policy() -> None:
    with pytest.raises(ServiceUnreachable, match="ended with code 3"):
        await Isolation().run(os._exit, 3)


async def test_what_is_printed_there_is_no_answer(capfd: pytest.CaptureFixture[str]) -> None:
    await Isolation().run(print, "a library's warning")
    out, err = capfd.readouterr()
    assert out == ""
    assert "a library's warning" in err


async def test_it_has_none_of_our_sockets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        paths = "[f'/proc/self/fd/{number}' for number in os.listdir('/proc/self/fd')]"
        links = f"[os.readlink(path) for path in {paths} if os.path.islink(path)]"
        code = f"(lambda os: {links})(__import__('os'))"
        found = await Isolation().run(eval, code)
        ours = f"socket:[{os.fstat(server.fileno()).st_ino}]"
    assert found
    assert ours not in found


async def test_it_starts_in_a_session_of_its_own() -> None:
    assert await Isolation().run(os.getsid, 0) != os.getsid(0)  # Ctrl-C does not reach it


def test_without_its_parent_it_ends() -> None:
    command = "from underpaint.orchestrator.policy.isolated import main; main()"
    started = [sys.executable, "-c", command]
    assert subprocess.run(started, stdin=subprocess.DEVNULL, timeout=60).returncode == 0
    # At work, too: it would not see the end of its input.
    call = pickle.dumps((0.1, time.sleep, (600,)))
    sent = len(call).to_bytes(8, "big") + call
    ended = subprocess.run(started, input=sent, timeout=60)
    assert ended.returncode == -signal.SIGALRM
