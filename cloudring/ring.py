# SPDX-License-Identifier: Apache-2.0
"""The actions on one system: create, suite, idle agent, reboots, rollback, delete."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cloudring import cloud as openstack
from cloudring.commands import ActionFailed, Commands
from cloudring.nodes import CPU_SCRIPT, Node, NodeShell, share, wait_for
from cloudring.options import Options
from cloudring.report import SKIPPED, Action, SuiteRun, SystemResult
from conformance.api.client import Cluster
from conformance.outcome import InconclusiveError
from conformance.report.summary import SOUND, summarize
from conformance.results import records
from heatgen.blocks.support import FAILED, PASSED
from heatgen.cloud.connection import Cloud

IDLE_SECONDS = 60
DELETE_ATTEMPTS = 2
GRACE = 120
"""Seconds that a command may take longer than its own time limit."""
MARK = "heatgen.cloudring=1"
"""Kernel argument of the deployment that is rolled back."""
FIND_OSTREE = "command -v rpm-ostree || command -v ostree || true"
# Both create a second deployment of the same version, so that no download is necessary.
DEPLOY = {
    "rpm-ostree": f"rpm-ostree kargs --append={MARK}",
    "ostree": "commit=$(ostree admin status | sed -n 's/^\\* [^ ]* \\([0-9a-f]*\\)\\..*/\\1/p') && "
    f'ostree admin deploy --karg-append={MARK} "$commit"',
}
ROLL_BACK = {"rpm-ostree": "rpm-ostree rollback", "ostree": "ostree admin set-default 1"}
HAS_MARK = f"grep -qw {MARK} /proc/cmdline && echo yes || echo no"
REBOOT = "systemd-run --quiet --on-active=2 systemctl reboot"


class ActionSkipped(Exception):
    """An action does not apply; the message is the reason."""


@dataclass
class Ring:
    """The actions on the cluster of one system."""

    result: SystemResult
    options: Options
    commands: Commands
    cloud: Cloud
    show: Callable[[str], None]

    @property
    def directory(self) -> Path:
        """The directory of the cluster's files."""
        return self.commands.directory

    def run(self) -> None:
        """Run all actions; delete the cluster in any case, unless it is kept."""
        try:
            if self._act("create", self._create):
                self._check()
        finally:
            self._finish()

    def _check(self) -> None:
        self._act("suite", lambda: self._suite("after create"))
        self._unless_skipped("cpu", "idle agent", self._idle)
        if self._unless_skipped("reboot", "reboot worker", lambda: self._reboot(control=False)):
            self._act("reboot control plane", lambda: self._reboot(control=True))
            self._act("suite after reboot", lambda: self._suite("after reboot"))
        if self._unless_skipped("rollback", "rollback", self._rollback):
            self._act("suite after rollback", lambda: self._suite("after rollback"))

    def _unless_skipped(self, option: str, name: str, action: Callable[[], None]) -> bool:
        if option in self.options.skip:
            self._note(Action(name, SKIPPED, 0, f"--skip {option}"))
            return False
        return self._act(name, action)

    def _act(self, name: str, action: Callable[[], None], *, final: bool = False) -> bool:
        """Run an action and record its result; return whether it succeeded."""
        began, verdict, reason = time.monotonic(), PASSED, ""
        try:
            if self.commands.stop.is_set() and not final:
                raise ActionSkipped("interrupted")
            action()
        except ActionSkipped as skipped:
            verdict, reason = SKIPPED, str(skipped)
        # Libraries raise errors of many types; each is a reason in the report, and the cluster
        # must be deleted.
        except Exception as error:  # noqa: BLE001
            expected = isinstance(error, ActionFailed | InconclusiveError)
            kind = "" if expected else f"{type(error).__name__}: "
            verdict, reason = FAILED, f"{kind}{error}"
        self._note(Action(name, verdict, round(time.monotonic() - began, 1), reason))
        return verdict == PASSED

    def _note(self, action: Action) -> None:
        self.result.actions.append(action)
        reason = f": {action.reason}" if action.reason else ""
        self.show(f"{self.result.name}: {action.name} {action.verdict}, "
                  f"{action.seconds:.0f} s{reason}")  # fmt: skip

    def _create(self) -> None:
        minutes, began = self.options.minutes["create"], time.monotonic()
        words = ["create", "cluster.yaml", "--timeout", str(minutes)]
        self.commands.heatgen(*words, seconds=minutes * 60 + GRACE)
        self.result.create_seconds = round(time.monotonic() - began, 1)
        words = ["kubeconfig", self.result.stack, "-o", "kubeconfig"]
        self.commands.heatgen(*words, seconds=GRACE)

    def _suite(self, when: str) -> None:
        name = f"suite-{when.replace(' ', '-')}"
        file = self.directory / f"{name}.jsonl"
        words = ["test", self.result.stack, "--kubeconfig", "kubeconfig", "--", "-n", "2", "-q"]
        words += ["--results", file.name, "--report", f"{name}.html", *self.options.suite_options]
        self.commands.heatgen(*words, seconds=self.options.limit("suite"), check=False)
        if not file.exists():
            raise ActionFailed(f"the suite did not start: see {self.commands.log}")
        summary = summarize(records.parse(file.read_text("utf-8")))
        numbers = (records.PASSED, records.FAILED, records.ERROR, records.SKIPPED)
        passed, failed, inconclusive, skipped = (summary.counts[key] for key in numbers)
        self.result.suites.append(
            SuiteRun(when=when, verdict=summary.verdict.kind, passed=passed, failed=failed,
                     inconclusive=inconclusive, skipped=skipped)
        )  # fmt: skip
        if summary.verdict.kind != SOUND:
            names = ", ".join(item.name for item in summary.failures[:3])
            raise ActionFailed(f"{summary.verdict.reason}{f': {names}' if names else ''}")

    def _shell(self) -> NodeShell:
        cluster = Cluster(self.directory / "kubeconfig")
        return NodeShell(cluster, self.options.probe_image, self.commands.stop.is_set)

    @contextmanager
    def _on_nodes(self) -> Iterator[NodeShell]:
        """Yield a shell on the nodes; delete its pods at the end."""
        shell = self._shell()
        try:
            yield shell
        except Exception:
            # The first failure is the reason to report.
            with suppress(ActionFailed, InconclusiveError):
                shell.close()
            raise
        shell.close()

    def _idle(self) -> None:
        with self._on_nodes() as shell:
            names = [node.name for node in shell.nodes()]
            before = {name: shell.run(name, CPU_SCRIPT) for name in names}
            if self.commands.stop.wait(IDLE_SECONDS):
                raise ActionFailed("interrupted")
            for name in names:
                self.result.agent_cpu[name] = share(before[name], shell.run(name, CPU_SCRIPT))

    def _reboot(self, *, control: bool) -> None:
        with self._on_nodes() as shell:
            for node in [each for each in shell.nodes() if each.is_control == control]:
                self._returns(shell, node, partial(self._nova_reboot, node))

    def _nova_reboot(self, node: Node) -> None:
        limit = self.options.limit("reboot")
        openstack.reboot(node.address, self.result.stack, self.cloud, limit)

    def _returns(self, shell: NodeShell, node: Node, act: Callable[[], None]) -> None:
        """Restart a node, and wait until it has booted again and all nodes are Ready."""
        before, limit = shell.boot(node.name), self.options.limit("reboot")
        act()

        def booted() -> bool:
            try:
                return shell.boot(node.name) != before
            except (ActionFailed, InconclusiveError):
                # The pod is that of the last boot.
                shell.renew(node.name)
                raise InconclusiveError(f"no response from a pod on {node.name}") from None

        stopped = self.commands.stop.is_set
        wait_for(f"boot of {node.name}", limit, booted, stopped)
        began = shell.cluster.now().timestamp()
        wait_for(
            f"{node.name} is Ready", limit, lambda: shell.ready_since(node.name, began), stopped
        )

    def _rollback(self) -> None:
        """Deploy the same version with a mark, boot it, and boot the deployment before it."""
        with self._on_nodes() as shell:
            node = next(each for each in shell.nodes() if not each.is_control)
            found = shell.run(node.name, FIND_OSTREE, on_host=True).rpartition("/")[2]
            if not found:
                raise ActionSkipped("the system is not based on ostree")
            for script, wanted in ((DEPLOY[found], "yes"), (ROLL_BACK[found], "no")):
                shell.run(node.name, script, on_host=True)
                self._returns(shell, node, lambda: void(shell.run(node.name, REBOOT, on_host=True)))
                if shell.run(node.name, HAS_MARK) != wanted:
                    raise ActionFailed(f"after {script!r} {node.name} booted another deployment")

    def _finish(self) -> None:
        failed = any(action.verdict == FAILED for action in self.result.actions)
        if self.options.keep or (self.options.keep_failed and failed):
            self.result.kept = True
            self._note(Action("delete", SKIPPED, 0, "kept"))
            return
        if failed:
            self._act("logs", self._logs, final=True)
        self._act("delete", self._delete, final=True)

    def _logs(self) -> None:
        """Collect logs before the deletion of a failed cluster; not required."""
        if not openstack.exists(self.result.stack, self.cloud):
            raise ActionSkipped("the stack does not exist")
        words = ["logs", self.result.stack, "-o", "logs", "--no-ssh"]
        if self.commands.heatgen(*words, seconds=300, check=False, final=True):
            raise ActionSkipped(f"no logs: see {self.commands.log}")

    def _delete(self) -> None:
        """Delete the stack, in a second attempt if necessary, and verify that nothing is left."""
        name, minutes = self.result.stack, self.options.minutes["delete"]
        before = openstack.resources(name, self.cloud)
        words = ["delete", name, "--yes", "--timeout", str(minutes)]
        failures: list[str] = []
        while len(failures) < DELETE_ATTEMPTS and openstack.exists(name, self.cloud):
            try:
                self.commands.heatgen(*words, seconds=minutes * 60 + GRACE, final=True)
            except ActionFailed as failure:
                failures.append(str(failure))
        if len(failures) == DELETE_ATTEMPTS and openstack.exists(name, self.cloud):
            self.result.left = [f"stack {name}"]
            raise ActionFailed(failures[-1])
        self.result.left = openstack.left(name, before, self.cloud)
        if self.result.left:
            raise ActionFailed(f"left: {', '.join(self.result.left)}")


def void(_: object) -> None:
    """Discard the result of an expression."""
