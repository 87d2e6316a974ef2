"""Cancelled calls stop, and a server that ends leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from pathlib import Path

import anyio
import pytest

from mediasense_mcp_server.crew import Crew

INITIALIZE = (
    '{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": '
    '"2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}\n'
    '{"jsonrpc": "2.0", "method": "notifications/initialized"}\n'
)
LOOK = (
    '{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "look_at_image", '
    '"arguments": {"path": "shot.png", "question": "?"}}}\n'
)


class Silent:
    """A service that takes a request and never answers; it sees when the caller hangs up."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = threading.Event()
        self.left = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(1)
            self.asked.set()
            while True:
                try:
                    if not connection.recv(65536):
                        break
                except OSError:
                    break
            self.left.set()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def silent():
    service = Silent()
    yield service
    service.close()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_cancelled_call_hangs_up_on_the_provider(place, silent, mode):
    async def cancelled(client):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                client.call_tool, "look_at_image", {"path": "shot.png", "question": "?"}
            )
            await anyio.to_thread.run_sync(silent.asked.wait, 30)
            tasks.cancel_scope.cancel()

    with place.agent(mode=mode, EYE_URL=silent.url) as agent:
        agent.portal.call(cancelled, agent.client)
        assert silent.left.wait(20)
        assert not agent.call("get_key_frames", path="clip.mp4").is_error


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("end", ["input", "SIGINT", "SIGTERM"])
def test_a_server_ends_with_its_client_or_a_signal(place, silent, heed_ctrl_c, end, busy):
    process = place.start(
        "--provider", "eye", variables={"EYE_URL": silent.url}, preexec_fn=heed_ctrl_c
    )
    with process:
        process.stdin.write(INITIALIZE)
        process.stdin.flush()
        assert process.stdout.readline()
        if busy:
            process.stdin.write(LOOK)
            process.stdin.flush()
            assert silent.asked.wait(30)
        if end == "input":
            process.stdin.close()
        else:
            process.send_signal(getattr(signal, end))
        assert process.wait(20) == {"input": 0, "SIGINT": 130, "SIGTERM": 143}[end]
        assert "Traceback" not in process.stderr.read()
    assert not busy or silent.left.wait(20)


def test_no_child_outlives_the_server(place):
    """Media are looked at in a process of their own."""
    process = place.start("--provider", "eye", start_new_session=True)
    with process:
        look = LOOK.replace('"look_at_image"', '"get_key_frames"').replace("shot.png", "clip.mp4")
        process.stdin.write(INITIALIZE + look.replace(', "question": "?"', ""))
        process.stdin.flush()
        assert process.stdout.readline()
        assert '"image/jpeg"' in process.stdout.readline()
        group = _processes_of(process.pid)
        assert len(group) >= 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    for _ in range(200):
        if not _processes_of(process.pid):
            break
        threading.Event().wait(0.05)
    assert _processes_of(process.pid) == set()


def _processes_of(session: int) -> set[int]:
    found = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.add(int(folder.name))
    return found


def test_a_client_that_reads_no_more_ends_the_server(place):
    process = place.start("--provider", "eye")
    process.stdout.close()
    process.stdin.write(INITIALIZE)
    process.stdin.flush()
    assert process.wait(20) == 0
    process.stdin.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


@pytest.mark.parametrize(
    "line", ["no json\n", "{}\n", '{"jsonrpc": "2.0"}\n', "\xff\n", "[" * 9999 + "\n"]
)
def test_a_line_that_is_no_message_ends_nothing(place, line):
    process = place.start("--provider", "eye")
    with process:
        process.stdin.write(line + INITIALIZE)
        process.stdin.flush()
        while '"serverInfo"' not in process.stdout.readline():
            pass
        process.stdin.close()
        assert process.wait(20) == 0
        process.stderr.read()


# --- the crew ------------------------------------------------------------------------------------


async def _untold(progress: float, words: str) -> None:
    pass


def test_no_more_work_is_done_at_once_than_there_are_places():
    async def main() -> int:
        crew, lock, inside, most = Crew(2), threading.Lock(), 0, 0

        def work(_) -> None:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.05)
            with lock:
                inside -= 1

        await asyncio.gather(*(crew.do(work, _untold) for _ in range(6)))
        return most

    assert asyncio.run(main()) == 2


def test_work_keeps_its_place_until_it_has_stopped():
    async def main() -> tuple[bool, bool]:
        crew, begun, let_go = Crew(1), threading.Event(), threading.Event()

        def stubborn(_) -> None:
            begun.set()
            let_go.wait(20)

        first = asyncio.ensure_future(crew.do(stubborn, _untold))
        await asyncio.to_thread(begun.wait, 20)
        first.cancel()
        second = asyncio.ensure_future(crew.do(lambda _: "done", _untold))
        await asyncio.wait((second,), timeout=0.2)
        waited = not second.done()
        let_go.set()
        return waited, await second == "done"

    assert asyncio.run(main()) == (True, True)


def test_what_work_raises_is_raised_where_it_is_waited_for():
    def work(_) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        asyncio.run(Crew().do(work, _untold))


def test_cancelled_work_stops_where_it_tells_of_progress():
    async def main() -> bool:
        crew, begun, stopped = Crew(), threading.Event(), threading.Event()

        def work(work) -> None:
            try:
                while True:
                    work.report("still at it", None)
                    begun.set()
            finally:
                stopped.set()

        doing = asyncio.ensure_future(crew.do(work, _untold))
        await asyncio.to_thread(begun.wait, 20)
        doing.cancel()
        return await asyncio.to_thread(stopped.wait, 20)

    assert asyncio.run(main())
