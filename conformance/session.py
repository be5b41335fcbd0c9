# SPDX-License-Identifier: Apache-2.0
"""State of a run in a pytest session: the controller creates it, its workers join it.

Without workers (``-n 0``) one process is both controller and worker.
"""

import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from conformance import options
from conformance.api import core_resources
from conformance.api.client import ANSWER_SECONDS, REACH_SECONDS, Cluster, reach
from conformance.collect.collector import collect
from conformance.deploy import idle_connection, preflight
from conformance.deploy.creation import COMPLETE, CreationResult
from conformance.deploy.lifecycle import HASTE_SECONDS, RunLifecycle, plan
from conformance.deploy.live import RunHandle
from conformance.deploy.pod_monitor import PodMonitor
from conformance.facts import expected as expectation
from conformance.facts import serialization
from conformance.facts.cluster_resources import IdleConnection
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts, NodeStatus
from conformance.facts.serialization import from_plain
from conformance.manifests import base
from conformance.options import Settings
from conformance.outcome import InconclusiveError, Unavailable


@dataclass(kw_only=True)
class Session:
    """The run as seen by one process."""

    settings: Settings
    run: base.Run
    shared: Path | None = None
    """Directory shared by all processes of the run."""
    begun: float = 0.0
    cluster: Cluster | None = None
    lifecycle: RunLifecycle | None = None
    idle_monitor: idle_connection.IdleConnectionMonitor | None = None
    creation: CreationResult = COMPLETE
    notices: list[str] = field(default_factory=list)
    closed: bool = False
    _facts: Facts | None = field(default=None, repr=False)

    @cached_property
    def expected(self) -> Expectation:
        """The expected cluster, from ``--expect`` or the replayed facts."""
        return expectation.understand(self.settings.expected, "")

    @property
    def nodes(self) -> list[NodeStatus]:
        """The registered nodes, used to parametrize tests."""
        return self.run.nodes

    def names(self) -> list[str]:
        """Return the names of all registered or expected nodes."""
        return list(dict.fromkeys([*(node.name for node in self.nodes), *self.expected.nodes]))

    def start(self) -> None:
        """Create the run's objects (controller only)."""
        assert self.cluster is not None
        self.begun = time.time()
        self.lifecycle = RunLifecycle(cluster=self.cluster, run=self.run)
        if self.shared:
            self.idle_monitor = idle_connection.IdleConnectionMonitor(
                self.cluster, self.shared, self.settings.idle
            )
            self.idle_monitor.begin()
        self.lifecycle.begin()
        self.creation = self.lifecycle.creation
        if self.creation.broken:
            broken = f"{self.creation.broken}; {core_resources.unreadiness(self.cluster)}"
            self.creation = CreationResult(broken=broken)
            self.notices.append(broken)
        for name, rejection in self.creation.rejected.items():
            self.notices.append(f"rejected: {name}: {rejection.message}")

    def facts(self) -> Facts:
        """Return the facts; the first process that needs them collects them.

        Raises:
            InconclusiveError: if the collection failed, in this or another process.
        """
        if self._facts is None:
            self._facts = self._replayed() if self.settings.replay else self._collected()
        return self._facts

    def collected(self) -> Facts | None:
        """Return the facts if they have been collected."""
        file = self.shared / "facts.json" if self.shared else None
        try:
            if self.settings.replay:
                return self._replayed()
            return serialization.load(file) if file and file.exists() else None
        except serialization.FactsError:
            return None

    def live(self) -> RunHandle:
        """Return the cluster for active tests; skip them when replaying facts."""
        if self.settings.replay:
            pytest.skip("requires a running cluster; this is a recording")
        if self.creation.broken:
            raise InconclusiveError(self.creation.broken)
        monitor = PodMonitor(self._cluster(), self.run)
        patience = self.settings.patience
        return RunHandle(
            cluster=self._cluster(),
            run=self.run,
            begun=self.begun,
            patience=patience,
            pod_monitor=monitor,
            creation=self.creation,
        )

    def idle_result(self) -> IdleConnection | Unavailable:
        """Wait for the result of the idle-connection check and return it.

        Raises:
            InconclusiveError: if there is no result in time.
        """
        if self.settings.replay:
            return self.facts().idle
        assert self.shared is not None
        left = self.begun + self.settings.idle - time.time()
        return idle_connection.result(
            self.shared, max(left, 0.0) + 2 * idle_connection.ANSWER_SECONDS
        )

    def save(self) -> bool:
        """Save the facts if ``--save-facts`` is set; return whether they were (controller only)."""
        file = self.shared / "facts.json" if self.shared else None
        if not self.settings.save or not self.shared or not file or not file.exists():
            return False
        known = replace(serialization.load(file), idle=idle_connection.read(self.shared))
        serialization.write(self.settings.save, serialization.dump(known))
        return True

    def worker_payload(self) -> dict[str, Any]:
        """Return the state that a worker needs, as plain JSON."""
        parts = {"run": asdict(self.run), "creation": asdict(self.creation)}
        return {**parts, "shared": str(self.shared), "begun": self.begun}

    def close(self) -> None:
        """Delete the shared directory (controller only)."""
        self.closed = True
        if self.idle_monitor:
            self.idle_monitor.end()
        if self.shared:
            shutil.rmtree(self.shared, ignore_errors=True)

    def _cluster(self) -> Cluster:
        if self.cluster is None:
            self.cluster = Cluster(self.settings.kubeconfig)
        if self.creation.broken:
            self.cluster.answer_seconds = HASTE_SECONDS
        return self.cluster

    def _replayed(self) -> Facts:
        assert self.settings.replay is not None
        return serialization.load(self.settings.replay)

    def _collected(self) -> Facts:
        assert self.shared is not None
        file, failed = self.shared / "facts.json", self.shared / "problem"
        with FileLock(self.shared / "lock"):
            if failed.exists():
                raise InconclusiveError(failed.read_text())
            if not file.exists():
                try:
                    file.write_text(serialization.dump(self._collect()))
                except InconclusiveError as problem:
                    failed.write_text(f"facts could not be collected: {problem}")
                    raise
        return serialization.load(file)

    def _collect(self) -> Facts:
        patience = max(self.begun + self.settings.patience - time.time(), 1.0)
        found = collect(self._cluster(), self.run, self.expected, patience, self.creation)
        return replace(found, expected=self.settings.expected)


def open_controller(settings: Settings) -> Session:
    """Connect to the cluster (or read the recording) and list its nodes, without changing anything.

    Raises:
        pytest.UsageError: if this fails; after ten seconds at most.
    """
    try:
        if settings.replay:
            return Session(
                settings=settings,
                run=recorded_run(serialization.load(settings.replay), settings.image),
            )
        begun = time.monotonic()
        cluster, _ = reach(settings.kubeconfig)
        left = REACH_SECONDS - (time.monotonic() - begun)
        cluster.answer_seconds = min(max(left, 1.0), HASTE_SECONDS)
        found = preflight.look(cluster, expectation.understand(settings.expected, ""))
        cluster.answer_seconds = ANSWER_SECONDS
        run = plan(found, settings.image, settings.quick)
    except (InconclusiveError, serialization.FactsError) as problem:
        raise pytest.UsageError(str(problem)) from None
    shared = Path(tempfile.mkdtemp(prefix="conformance-"))
    notices = [f"the API does not list its nodes: {found.broken}"] if found.broken else []
    return Session(
        settings=settings,
        run=run,
        shared=shared,
        cluster=cluster,
        notices=notices + found.obstacles(),
    )


def recorded_run(found: Facts, image: str) -> base.Run:
    """Return the run of a recording, as far as tests are parametrized by it."""
    nodes = list(found.nodes.values())
    servers = [] if isinstance(found.api_servers, Unavailable) else found.api_servers
    return base.Run(
        id="replay",
        image=image,
        nodes=nodes,
        api_servers=servers or core_resources.with_control([], nodes),
    )


def open_worker(settings: Settings, payload: dict[str, Any]) -> Session:
    """Join the run that the controller started."""
    run = from_plain(base.Run, payload["run"])
    creation = from_plain(CreationResult, payload["creation"])
    return Session(
        settings=settings,
        run=run,
        shared=Path(payload["shared"]),
        begun=payload["begun"],
        creation=creation,
    )


def get(config: pytest.Config) -> Session:
    """Return the session of this process."""
    return config.stash[KEY]


def open_for(config: pytest.Config) -> Session:
    """Open the session of this process, as controller or worker."""
    payload = getattr(config, "workerinput", {}).get("conformance")
    settings = options.settings(config)
    return open_worker(settings, json.loads(payload)) if payload else open_controller(settings)


KEY = pytest.StashKey[Session]()
