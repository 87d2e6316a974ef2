"""The machines of a Ray cluster: how they are reached, and the processes that work on them.

Nothing here is loaded without ``--engine ray``; the cluster is somebody else's, and stays.
"""

from __future__ import annotations

import importlib
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mediasense.batches.limits import Adrift
from mediasense.errors import ConfigError, MediasenseError, UsageError, one_line

PROCESSORS = 1
"""What a worker books on its node: Ray places nothing on nodes that offer none, such as many
heads, and starts nodes where it may when they are all booked."""

_KNOCKING = 5.0
"""Seconds to wait for a cluster to take a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of the cluster that takes work.

    Attributes:
        id: As Ray names it.
        processors: How many it offers.
    """

    id: str
    processors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a worker sees where it runs.

    Attributes:
        node: The node's id.
        where: Its name, for people.
        versions: Of mediasense and of every plugin.
    """

    node: str
    where: str
    versions: Mapping[str, str]


def load_ray() -> Any:
    """The package.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UsageError(
            "ray is not installed", hint="type: pip install 'mediasense[ray]'"
        ) from None


class Cluster:
    """A connection to a cluster that is there already.

    Args:
        address: As for ``ray.init``; ``None`` takes ``RAY_ADDRESS`` or the cluster of this machine.
            A program that is connected already stays so.

    Raises:
        UsageError: Ray is not installed, or the address asks for a new cluster.
        MediasenseError: There is no cluster.
    """

    def __init__(self, address: str | None = None) -> None:
        self.ray = load_ray()
        self.errors = importlib.import_module("ray.exceptions")
        self._strategies = importlib.import_module("ray.util.scheduling_strategies")
        self.address = address or "auto"
        self._ours = not self.ray.is_initialized()
        self._loud: bool | None = None
        if self._ours:
            self._connect()

    @classmethod
    def of_this_program(cls) -> Cluster:
        """The cluster that this program is connected to.

        Raises:
            UsageError: Ray is not installed, or the program is not connected.
        """
        if not load_ray().is_initialized():
            raise UsageError("this program has no Ray cluster", hint="call ray.init first")
        return cls()

    def nodes(self) -> list[Node]:
        """The nodes that are alive and take work."""
        found = []
        for node in self.ray.nodes():
            processors = int(node["Resources"].get("CPU", 0))
            if node["Alive"] and processors >= PROCESSORS:
                found.append(Node(id=node["NodeID"], processors=processors))
        return found

    def start(self, kind: type, *args: object, node: str | None, threads: int) -> Any:
        """Start a worker.

        Args:
            kind: The class of what runs there.
            args: What it is made with.
            node: Where; ``None`` leaves it to Ray, which spreads them.
            threads: How many calls it takes at once.
        """
        strategy = "SPREAD" if node is None else self._on(node)
        options = {"num_cpus": PROCESSORS, "scheduling_strategy": strategy}
        return self._actor(kind, threads, options).remote(*args)

    def start_here(self, kind: type, *args: object, threads: int = 1) -> Any:
        """Start something on the node of this program, which lives as long as this program does."""
        here = self.ray.get_runtime_context().get_node_id()
        # Ray 2.60 places what books nothing anywhere, unless it must be here.
        options = {"num_cpus": 0, "scheduling_strategy": self._on(here)}
        return self._actor(kind, threads, options).remote(*args)

    def end(self, actor: Any) -> None:
        """End what was started, at once."""
        self.ray.kill(actor, no_restart=True)

    def wait(self, references: list[Any], seconds: float) -> None:
        """Wait until all is done, or failed, or for so long."""
        if references:
            self.ray.wait(references, num_returns=len(references), timeout=seconds)

    def is_loss(self, error: BaseException) -> bool:
        """Whether it was the worker, its node or the way there that failed, and not its work."""
        if isinstance(error, self.errors.RayTaskError):
            return isinstance(error.cause, Adrift)
        return isinstance(error, self.errors.RayError)

    def close(self) -> None:
        """Leave the cluster as it is."""
        if not self._ours or not self.ray.is_initialized():
            return
        self.ray.shutdown()
        if self._loud is not None:
            _messages(on=self._loud)

    def _connect(self) -> None:
        if self.address == "local":
            raise UsageError(
                "mediasense starts no cluster", hint="type: ray start --head, then --address auto"
            )
        where = self.address
        try:
            where = _found(where)
            _knock(where)
            self.ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            said = one_line(str(error)).rstrip(".")
            raise MediasenseError(
                f"no Ray cluster is reached at {where}: {said}",
                hint="give the --address of one, or type: ray start --head",
            ) from None
        self._loud = _messages(on=False)

    def _on(self, node: str) -> Any:
        return self._strategies.NodeAffinitySchedulingStrategy(node, soft=False)

    def _actor(self, kind: type, threads: int, options: Mapping[str, Any]) -> Any:
        # Never begun again by Ray: whoever gives out the work knows what is to be done again.
        remote = self.ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=threads)
        return remote(kind).options(**options)


def _found(address: str) -> str:
    """What ``auto`` stands for: ``RAY_ADDRESS``, or the last cluster begun on this machine.

    Raises:
        ConnectionError: There is none.
    """
    if address != "auto":
        return address
    module: Any = importlib.import_module("ray._private.services")
    find = getattr(module, "canonicalize_bootstrap_address_or_die", None)
    return str(find(address)) if find is not None else address


def _knock(address: str) -> None:
    """Find out whether anybody is there: Ray asks for minutes, and tells standard error of it.

    Raises:
        OSError: Nobody is.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCKING).close()


def _messages(*, on: bool) -> bool:
    """Whether Ray prints what happens to nodes; it does so on standard output, where answers go."""
    module: Any = importlib.import_module("ray._private.worker")
    before = getattr(module, "_worker_logs_enabled", True)
    module._worker_logs_enabled = on
    return bool(before)


def _looking() -> Callable[[], dict[str, str]]:
    """The look at versions, as a function that travels by value: see :func:`process_class`."""

    def versions() -> dict[str, str]:
        from importlib.metadata import PackageNotFoundError, entry_points, version

        found = {
            point.dist.name: point.dist.version
            for point in entry_points(group="mediasense")
            if point.dist is not None
        }
        try:
            found["mediasense"] = version("mediasense")
        except PackageNotFoundError:
            return {}
        return dict(sorted(found.items()))

    return versions


def versions_here() -> dict[str, str]:
    """The versions of mediasense and of its plugins in this process."""
    return _looking()()


def process_class() -> type:
    """The class of the process that works on a node.

    It is made in here, so that it travels by value and can say that mediasense is missing there.
    """
    versions = _looking()

    class Process:
        def look(self) -> tuple[str, str, dict[str, str]]:
            ray = importlib.import_module("ray")
            self._where = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
            return ray.get_runtime_context().get_node_id(), self._where, versions()

        def begin(self, errand: Any, number: int) -> None:
            self._hand = errand.begin(number, self._where)

        def answer(self, item: Any) -> Any:
            return self._hand.answer(item)

        def stop(self) -> None:
            self._hand.stop()

        def finish(self) -> None:
            self._hand.finish()

        def share(self, calls: int) -> None:
            self._hand.share(calls)

    return Process


def sight_here() -> Sight:
    """What this process sees where it runs."""
    node, where, versions = process_class()().look()
    return Sight(node=node, where=where, versions=versions)


def require_same(sight: Sight, versions: Mapping[str, str]) -> None:
    """Check that a node has the same mediasense as the program that asks for work.

    Args:
        sight: What is seen on the node.
        versions: Those of the program.

    Raises:
        ConfigError: It has another one, or none.
    """
    here, there = versions, sight.versions
    if here == there:
        return
    differing = [
        f"{name} {there.get(name, 'missing')} there and {here.get(name, 'missing')} here"
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    ]
    wanted = " ".join(f"{name}=={version}" for name, version in here.items())
    raise ConfigError(
        f"node {sight.where} has another mediasense than this program: {', '.join(differing)}",
        hint=f"type there: pip install {wanted}",
    )
