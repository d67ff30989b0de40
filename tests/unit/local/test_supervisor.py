"""The supervisor, with children that are small scripts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.local import leftovers, supervisor
from underpaint.local.child import ChildSpec
from underpaint.local.supervisor import ChildGaveUp, Phase, Status, Supervisor

RUNS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {RUNS}"
PATIENCE_S = 30.0


def script(
    folder: Path, name: str, code: str, *, after: tuple[str, ...] = (), grace_s: float = 10.0
) -> ChildSpec:
    """A child that is healthy once it has said "up" to its log."""
    log = folder / "logs" / f"{name}.log"

    async def probe() -> str:
        said = log.read_text().rpartition("--- started")[2] if log.exists() else ""
        return "" if "up\n" in said else "it has not said up"

    return ChildSpec(
        name=name,
        command=(sys.executable, "-c", code),
        address=name,
        probe=probe,
        after=after,
        grace_s=grace_s,
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - it asks the kernel, which sets no event
            await asyncio.sleep(0.02)


async def test_children_start_after_what_they_need_and_stop_in_reverse(tmp_path: Path) -> None:
    entered: list[tuple[str, Phase]] = []

    def note(status: Status) -> None:
        entered.append((status.name, status.phase))

    specs = [script(tmp_path, "one", RUNS), script(tmp_path, "two", RUNS, after=("one",))]
    async with Supervisor(specs, tmp_path, changed=note) as running:
        await running.started()
        assert len(leftovers.find(running.mark)) == 2
        assert all(s.start_seconds is not None for s in running.statuses.values())

    assert leftovers.find(running.mark) == set()
    order = [(name, phase.value) for name, phase in entered]
    assert order.index(("one", "healthy")) < order.index(("two", "starting"))
    assert order[-4:] == [
        ("two", "stopping"),
        ("two", "stopped"),
        ("one", "stopping"),
        ("one", "stopped"),
    ]


async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    async with Supervisor([script(tmp_path, "one", RUNS)], tmp_path) as running:
        await running.started()
        child = running.children["one"]
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: running.statuses["one"].phase is Phase.RESTARTING)
        await until(lambda: running.statuses["one"].phase is Phase.HEALTHY)

        assert child.pid not in (None, first)
        assert running.statuses["one"].restarts == 1


async def test_one_that_always_crashes_is_given_up_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_BACKOFF_S", (0.0,) * 4)
    specs = [
        script(tmp_path, "one", RUNS),
        script(tmp_path, "bad", "import sys; sys.exit('out of luck')"),
    ]

    async with Supervisor(specs, tmp_path) as running:
        with pytest.raises(ChildGaveUp, match=r"bad crashed 5 times in a row \(exit code 1\)") as e:
            await running.started()
        assert e.value.tail == ["out of luck"]

    assert leftovers.find(running.mark) == set()


async def test_wrong_input_at_the_first_start_is_told_in_the_childs_own_words(
    tmp_path: Path,
) -> None:
    bad = "import sys; print('underpaint edge: there is no model', file=sys.stderr); sys.exit(2)"

    async with Supervisor([script(tmp_path, "edge", bad)], tmp_path) as running:
        with pytest.raises(InvalidRequest, match=r"^edge: there is no model$"):
            await running.started()
        assert running.statuses["edge"].restarts == 0


async def test_what_a_library_says_after_the_childs_own_words_does_not_hide_them(
    tmp_path: Path,
) -> None:
    bad = (
        "import sys; print('a note'); print('underpaint edge: no model', file=sys.stderr);"
        "print('leaked semaphore', file=sys.stderr); sys.exit(2)"
    )

    async with Supervisor([script(tmp_path, "edge", bad)], tmp_path) as running:
        with pytest.raises(InvalidRequest, match=r"^edge: no model$"):
            await running.started()


async def test_one_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    spec = script(tmp_path, "one", STUBBORN, grace_s=0.2)

    async with Supervisor([spec], tmp_path) as running:
        await running.started()

    assert leftovers.find(running.mark) == set()


DAEMON = (
    "import subprocess, sys, time\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=True)\n"
)


async def test_a_daemon_that_left_its_session_does_not_outlive_its_child(tmp_path: Path) -> None:
    async with Supervisor([script(tmp_path, "ray", DAEMON + RUNS)], tmp_path) as running:
        await running.started()
        assert len(leftovers.find(running.mark, "ray")) == 2

    assert leftovers.find(running.mark) == set()


async def test_what_a_killed_supervisor_left_is_ended_at_the_next_start(tmp_path: Path) -> None:
    mark = Supervisor([], tmp_path).mark
    left = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUNS, env={leftovers.MARK: mark}, stdout=asyncio.subprocess.DEVNULL
    )
    await until(lambda: leftovers.find(mark) == {left.pid})

    async with Supervisor([script(tmp_path, "one", RUNS)], tmp_path) as running:
        assert await left.wait() == -signal.SIGKILL
        await running.started()


async def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tests.unit.local.test_supervisor import RUNS, script\n"
        "from underpaint.local.supervisor import Supervisor\n"
        "async def main(folder):\n"
        "    async with Supervisor([script(folder, 'one', RUNS)], folder) as running:\n"
        "        await running.started()\n"
        "        print(running.mark, flush=True)\n"
        "        await running.watch()\n"
        "asyncio.run(main(Path(sys.argv[1])))\n"
    )
    root = Path(__file__).parents[3]
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=root
    )
    assert owner.stdout is not None
    mark = (await owner.stdout.readline()).decode().strip()
    assert len(leftovers.find(mark)) == 1

    owner.kill()
    await owner.wait()
    await until(lambda: not leftovers.find(mark))


async def test_the_log_of_a_child_is_kept_over_starts(tmp_path: Path) -> None:
    for _ in range(2):
        async with Supervisor([script(tmp_path, "one", RUNS)], tmp_path) as running:
            await running.started()

    assert (tmp_path / "logs" / "one.log").read_text().count("--- started at") == 2


async def test_whoever_waits_for_a_slow_child_hears_why(tmp_path: Path) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    spec = script(tmp_path, "one", "import time; time.sleep(600)")
    async with Supervisor([spec], tmp_path, slow=heard.put_nowait, tell_every_s=0.0):
        why = await asyncio.wait_for(heard.get(), PATIENCE_S)
    assert why.startswith("one is still starting after 0 s: it has not said up; its log is ")
    assert why.endswith(str(tmp_path / "logs" / "one.log"))
