# SPDX-License-Identifier: Apache-2.0
"""How a pytest session carries a run: what the controller does once, and what each worker is told.

A session without workers (`-n 0`) is controller and worker in one process; nothing else differs.
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
    """One process's part in the run; `shared` is a directory that all its processes see."""

    settings: Settings
    run: base.Run
    shared: Path | None = None
    begun: float = 0.0
    cluster: Cluster | None = None
    lifecycle: RunLifecycle | None = None
    resting: idle_connection.IdleConnectionMonitor | None = None
    creation: CreationResult = COMPLETE
    notices: list[str] = field(default_factory=list)
    closed: bool = False
    _facts: Facts | None = field(default=None, repr=False)

    @cached_property
    def expected(self) -> Expectation:
        """What `--expect` (or the replayed facts) say the cluster should be."""
        return expectation.understand(self.settings.expected, "")

    @property
    def nodes(self) -> list[NodeStatus]:
        """The registered nodes, by which tests are parametrized."""
        return self.run.nodes

    def names(self) -> list[str]:
        """The names of all nodes: registered, or expected."""
        return list(dict.fromkeys([*(node.name for node in self.nodes), *self.expected.nodes]))

    def start(self) -> None:
        """Controller only: make everything the tests look at."""
        assert self.cluster is not None
        self.begun = time.time()
        self.lifecycle = RunLifecycle(cluster=self.cluster, run=self.run)
        if self.shared:
            self.resting = idle_connection.IdleConnectionMonitor(
                self.cluster, self.shared, self.settings.idle
            )
            self.resting.begin()
        self.lifecycle.begin()
        self.creation = self.lifecycle.creation
        if self.creation.broken:
            broken = f"{self.creation.broken}; {core_resources.unreadiness(self.cluster)}"
            self.creation = CreationResult(broken=broken)
            self.notices.append(broken)
        for name, refusal in self.creation.rejected.items():
            self.notices.append(f"refused: {name}: {refusal.message}")

    def facts(self) -> Facts:
        """The facts, collected by whichever process asks first.

        Raises:
            InconclusiveError: if collecting failed, now or in another process.
        """
        if self._facts is None:
            self._facts = self._replayed() if self.settings.replay else self._collected()
        return self._facts

    def collected(self) -> Facts | None:
        """The facts as far as they are there; nobody is asked for them."""
        kept = self.shared / "facts.json" if self.shared else None
        try:
            if self.settings.replay:
                return self._replayed()
            return serialization.load(kept) if kept and kept.exists() else None
        except serialization.FactsError:
            return None

    def live(self) -> RunHandle:
        """The cluster, for active tests; a recording has none, so they are skipped."""
        if self.settings.replay:
            pytest.skip("needs a living cluster, and this is a recording")
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

    def rested(self) -> IdleConnection | Unavailable:
        """What became of the connection that rests; waits until it was asked.

        Raises:
            InconclusiveError: if nobody asks it.
        """
        if self.settings.replay:
            return self.facts().idle
        assert self.shared is not None
        left = self.begun + self.settings.idle - time.time()
        return idle_connection.result(
            self.shared, max(left, 0.0) + 2 * idle_connection.ANSWER_SECONDS
        )

    def save(self) -> bool:
        """Controller only: keep what is known at the end, if that was asked for; False if not."""
        kept = self.shared / "facts.json" if self.shared else None
        if not self.settings.save or not self.shared or not kept or not kept.exists():
            return False
        known = replace(serialization.load(kept), idle=idle_connection.read(self.shared))
        serialization.write(self.settings.save, serialization.dump(known))
        return True

    def worker_payload(self) -> dict[str, Any]:
        """What a worker has to know, as plain JSON."""
        parts = {"run": asdict(self.run), "creation": asdict(self.creation)}
        return {**parts, "shared": str(self.shared), "begun": self.begun}

    def close(self) -> None:
        """Controller only: forget what the processes shared."""
        self.closed = True
        if self.resting:
            self.resting.end()
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
        kept, failed = self.shared / "facts.json", self.shared / "problem"
        with FileLock(self.shared / "lock"):
            if failed.exists():
                raise InconclusiveError(failed.read_text())
            if not kept.exists():
                try:
                    kept.write_text(serialization.dump(self._collect()))
                except InconclusiveError as problem:
                    failed.write_text(f"no facts: {problem}")
                    raise
        return serialization.load(kept)

    def _collect(self) -> Facts:
        patience = max(self.begun + self.settings.patience - time.time(), 1.0)
        found = collect(self._cluster(), self.run, self.expected, patience, self.creation)
        return replace(found, expected=self.settings.expected)


def open_controller(settings: Settings) -> Session:
    """Reach the cluster (or read the recording) and learn which nodes there are. Changes nothing.

    Raises:
        pytest.UsageError: if that is not possible, within ten seconds.
    """
    try:
        if settings.replay:
            return Session(
                settings=settings, run=recorded(serialization.load(settings.replay), settings.image)
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
    notices = [f"the API does not tell its nodes: {found.broken}"] if found.broken else []
    return Session(
        settings=settings,
        run=run,
        shared=shared,
        cluster=cluster,
        notices=notices + found.obstacles(),
    )


def recorded(found: Facts, image: str) -> base.Run:
    """The run that a recording is of, as far as tests are spread by it."""
    nodes = list(found.nodes.values())
    servers = [] if isinstance(found.api_servers, Unavailable) else found.api_servers
    return base.Run(
        id="replay",
        image=image,
        nodes=nodes,
        api_servers=servers or core_resources.with_control([], nodes),
    )


def open_worker(settings: Settings, told: dict[str, Any]) -> Session:
    """Join the run that the controller began."""
    run = from_plain(base.Run, told["run"])
    creation = from_plain(CreationResult, told["creation"])
    return Session(
        settings=settings,
        run=run,
        shared=Path(told["shared"]),
        begun=told["begun"],
        creation=creation,
    )


def of(config: pytest.Config) -> Session:
    """The session's part of the run."""
    return config.stash[KEY]


def open_for(config: pytest.Config) -> Session:
    """The session for this process: controller or worker."""
    told = getattr(config, "workerinput", {}).get("conformance")
    settings = options.settings(config)
    return open_worker(settings, json.loads(told)) if told else open_controller(settings)


KEY = pytest.StashKey[Session]()
