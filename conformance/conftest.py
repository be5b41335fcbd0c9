# SPDX-License-Identifier: Apache-2.0
"""pytest's hooks and the fixtures: where the suite meets pytest, and nothing else."""

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import permutations, product
from typing import Any

import pytest

from conformance import cis_rules, deadline, layers, options
from conformance import session as run_session
from conformance.deploy.live import RunHandle
from conformance.facts.cluster_resources import IdleConnection
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts
from conformance.outcome import CheckFailed, InconclusiveError, value_or_skip
from conformance.report import cluster, files
from conformance.report.files import OutputFiles
from conformance.results.recorder import Recorder, describe
from conformance.results.records import Writer
from conformance.session import Session
from conformance.soak import driver

MOST_WORKERS = 4  # tests mostly wait; more processes only cost their start
LONGEST = "test_endpoints_follow"  # the test that waits longest; others fill the time beside it

verdicts = pytest.StashKey["VerdictCounter"]()
epilogue = pytest.StashKey[list[str]]()
recorder = pytest.StashKey[Recorder]()
timings = pytest.StashKey[dict[str, float]]()
wanted = pytest.StashKey[OutputFiles]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the suite's options."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Name the layers as markers, show reasons of skips, and share work as fits short tests."""
    for layer, meaning in layers.LAYERS.items():
        config.addinivalue_line("markers", f"{layer}: {meaning}")
    config.addinivalue_line("markers", "thorough: takes seconds of its own; not in a --quick run")
    config.addinivalue_line("markers", "disruptive: breaks something for a while; --disruptive")
    config.addinivalue_line("markers", "detects(*faults): the faults that turn this check red")
    # Not to verify the API's certificate is the choice of the kubeconfig's owner.
    config.addinivalue_line("filterwarnings", "ignore:Unverified HTTPS request")
    if config.option.reportchars == "fE":
        config.option.reportchars = "fEs"
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "worksteal"
    config.stash[epilogue] = []
    config.stash[verdicts] = VerdictCounter()
    config.pluginmanager.register(config.stash[verdicts])
    config.stash[timings] = {}
    config.stash[recorder] = Recorder()
    if not is_worker(config):
        config.pluginmanager.register(config.stash[recorder])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: as many as there are cores, up to a few."""
    return min(os.cpu_count() or 1, MOST_WORKERS)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """`--soak` runs pytest again and again instead of once; what disrupts has one process.

    Nobody may look on while something is broken.
    """
    if getattr(config.option, "disruptive", False) and hasattr(config.option, "numprocesses"):
        config.option.numprocesses, config.option.dist, config.option.tx = 0, "no", []
    plan = driver.planned(config)
    if plan is None:
        return None
    to = files.wanted(config)
    soak = driver.driver(plan, options.settings(config), config)
    status = soak.drive()
    if soak.rounds:
        told = soak.summary()
        for line in driver.in_words(told):
            soak.say(line)
        if soak.shown:
            for line in files.write(to, soak.shown, told):
                soak.say(line)
            files.complete_junit(to, soak.shown)
    return status


# ---- the run: made by the controller, joined by its workers ----


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Reach the cluster; the controller also sweeps and makes the scene."""
    config = session.config
    if config.option.showfixtures or config.option.show_fixtures_per_test:
        return
    part = run_session.open_for(config)
    config.stash[run_session.KEY] = part
    if is_worker(config) or config.option.collectonly:
        return
    _begin_results(part, config)
    if part.settings.replay:
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job tidies up, too
    try:
        part.start()
    except InconclusiveError as problem:
        _tell(config, pytest.ExitCode.USAGE_ERROR, problem=str(problem))
        raise pytest.UsageError(f"the run could not begin: {problem}") from None


def _begin_results(part: Session, config: pytest.Config) -> None:
    config.stash[wanted] = files.wanted(config)
    kept = config.stash[recorder]
    if part.settings.results:
        kept.writer = Writer(part.settings.results)
    nodes = [node.name for node in part.nodes]
    kept.begin(run=part.run.id, image=part.run.image, nodes=nodes)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a parallel worker about the run."""
    node.workerinput["conformance"] = json.dumps(run_session.of(node.config).worker_payload())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The controller leaves nothing behind, and a run that judged nothing is no success."""
    config = session.config
    part = config.stash.get(run_session.KEY, None)
    if part is None or is_worker(config):
        return
    if not _end(part, config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    judged = config.stash[verdicts].count or config.option.collectonly
    if not judged and not session.exitstatus:
        config.stash[epilogue].append("nothing was judged: no test passed, so this is no success")
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
    _tell(config, int(session.exitstatus), notes=[*config.stash[epilogue]])


def _tell(config: pytest.Config, status: int, **footer: Any) -> None:
    """Close the results, and write all that is made of them but JUnit, which pytest writes last."""
    kept = config.stash[recorder]
    if kept.footer or wanted not in config.stash:
        return
    kept.end(status, **footer, seconds=config.stash[timings])
    config.stash[epilogue] += files.write(config.stash[wanted], kept.recording)


def pytest_unconfigure(config: pytest.Config) -> None:
    """If the session died before it could finish (a plug-in failed, Ctrl-C), tidy up even so."""
    part = config.stash.get(run_session.KEY, None)
    if part is not None and not is_worker(config) and not part.closed:
        _end(part, config)
        for line in config.stash[epilogue]:
            sys.stderr.write(f"conformance: {line}\n")
        _tell(config, pytest.ExitCode.INTERNAL_ERROR, notes=[*config.stash[epilogue]])
    if wanted in config.stash and config.stash[recorder].footer:
        files.complete_junit(config.stash[wanted], config.stash[recorder].recording)


def _end(part: Session, config: pytest.Config) -> bool:
    """Keep the facts if asked, remove what the run made, say what remains; True if nothing does."""
    said = config.stash[epilogue]
    said += part.notices
    if part.save():
        said.append(f"facts kept in {part.settings.save}")
    if found := part.collected():
        shown = cluster.of(found, part.expected)
        config.stash[recorder].cluster = dataclasses.asdict(shown)
        config.stash[timings] |= found.seconds
    remains: list[str] = []
    if part.lifecycle:
        said += [f"swept namespace {name}: {why}" for name, why in part.lifecycle.swept.items()]
        remains = part.lifecycle.end(part.settings.patience)
        said += [f"LEFT BEHIND: {what}" for what in remains]
        config.stash[timings] |= part.lifecycle.seconds
        took = (f"{what} {seconds:.1f} s" for what, seconds in config.stash[timings].items())
        said.append(", ".join(took))
    part.close()
    return not remains


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say before the first test what will be in the way."""
    part = config.stash.get(run_session.KEY, None)
    return [f"conformance: {notice}" for notice in part.notices] if part else []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what the run did beside judging."""
    for line in config.stash[epilogue]:
        terminalreporter.write_line(f"conformance: {line}")


def is_worker(config: pytest.Config) -> bool:
    """Is this one of a parallel session's workers?"""
    return hasattr(config, "workerinput")


# ---- the tests: one for each node, pair of nodes, or member ----


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Spread tests over what they ask for by name."""
    if run_session.KEY not in metafunc.config.stash:
        return
    part = run_session.of(metafunc.config)
    names = [node.name for node in part.nodes]
    pairs = [pytest.param(a, b, id=f"{a}->{b}") for a, b in permutations(names, 2)]
    for wanted, values in {
        "node": names,
        "etcd_node": _etcd_nodes(part),
        "docker_node": _docker_nodes(part) or [_skip("no node runs Docker")],
        "control_node": _control_nodes(part)
        or [_skip("no node bears the role of a control plane")],
        "host,api_server": [pytest.param(n, u, id=f"{n}->{u}") for n in names for u in _apis(part)]
        or [_skip("nobody says where the API servers are", 2)],
        "tls_port": _tls_ports(part),
        "host,program": _pairs(_control_nodes(part), cis_rules.PROGRAMS),
        "host,service": _pairs(_control_nodes(part), cis_rules.UNPRIVILEGED),
        "host,file_rule": _file_rules(part),
        "expected_node": list(part.expected.nodes) or [_skip("no --expect names the nodes")],
        "source,target": pairs or [_skip("there is only one node", 2)],
        "host,peer": [pytest.param(a, b, id=f"{a}->{b}") for a, b in product(names, repeat=2)],
    }.items():
        if set(wanted.split(",")) <= set(metafunc.fixturenames):
            metafunc.parametrize(wanted, values)


def _etcd_nodes(part: Session) -> list[Any]:
    """Where etcd should run: as expected, else on the nodes of the control plane, else anywhere."""
    endpoints = part.expected.etcd.get("endpoints", [])
    expected = [n.name for n in part.nodes if any(f"//{n.address}:" in url for url in endpoints)]
    control = [node.name for node in part.nodes if node.is_control]
    return expected or control or [node.name for node in part.nodes]


def _control_nodes(part: Session) -> list[Any]:
    """The nodes of the control plane: as expected, else by their role's label."""
    roles = {name: node.role for name, node in part.expected.nodes.items()}
    return [
        node.name
        for node in part.nodes
        if roles.get(node.name, "control" if node.is_control else "worker") == "control"
    ]


def _docker_nodes(part: Session) -> list[Any]:
    """The nodes whose runtime is Docker, or should be."""
    return [
        node.name
        for node in part.nodes
        if node.runtime.startswith("docker://") or part.expected.runtime(node.name) == "docker"
    ]


def _apis(part: Session) -> list[str]:
    """The API servers, each on its own: as expected, else as they tell themselves."""
    return part.expected.api_servers() or part.run.api_servers


def _tls_ports(part: Session) -> list[Any]:
    """(node, label) of every port that speaks TLS: the kubelet's, and the control plane's."""
    control = _control_nodes(part)
    return [
        pytest.param((node.name, label), id=f"{node.name}:{label}")
        for node in part.nodes
        for label in ("kubelet", *(("api", "etcd", "peer") if node.name in control else ()))
    ]


def _file_rules(part: Session) -> list[Any]:
    control = _control_nodes(part)
    return [
        pytest.param(node.name, rule, id=f"{node.name}-{rule.name}")
        for node in part.nodes
        for rule in cis_rules.FILES
        if node.name in control or not rule.control
    ]


def _pairs(nodes: list[Any], names: Iterable[str]) -> list[Any]:
    pairs = [pytest.param(node, name, id=f"{node}-{name}") for node in nodes for name in names]
    return pairs or [_skip("no node bears the role of a control plane", 2)]


def _skip(reason: str, values: int = 1) -> Any:
    return pytest.param(*[""] * values, id="none", marks=pytest.mark.skip(reason=reason))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """From the ground up, as the house stands; but the longest wait comes first.

    What waits for the clock comes last: it has waited meanwhile. After all of that comes what
    disrupts, if it is wanted at all.
    """
    _leave_out(config, items)
    order = list(layers.LAYERS)

    def place(item: pytest.Item) -> tuple[bool, bool, bool, int]:
        storeys = [order.index(mark.name) for mark in item.iter_markers() if mark.name in order]
        waits = "idle" in getattr(item, "fixturenames", ())
        disrupts = item.get_closest_marker("disruptive") is not None
        first = item.name.startswith(LONGEST)
        return (disrupts, waits, not first, min(storeys, default=len(order)))

    items.sort(key=place)


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What a quick run has no time for, and what only `--disruptive` runs, is not chosen."""

    def left_out(item: pytest.Item) -> bool:
        marks = {mark.name for mark in item.iter_markers()}
        slow = "idle" in getattr(item, "fixturenames", ()) or bool(
            marks & {"hardening", "thorough"}
        )
        disrupts = "disruptive" in marks
        return (config.option.quick and slow) or (disrupts and not config.option.disruptive)

    without = [item for item in items if left_out(item)]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]


# ---- the verdicts ----


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Failures as their own few lines, could-not-ask as an error, skips as failures if strict."""
    report = yield
    problem = call.excinfo.value if call.excinfo else None
    if call.excinfo and isinstance(problem, CheckFailed | InconclusiveError):
        shown: Any = call.excinfo.getrepr(style="value")
        shown.reprcrash.message = getattr(problem, "headline", str(problem).partition("\n")[0])
        report.longrepr = shown
    if isinstance(problem, InconclusiveError) and report.when == "call":
        report.when = "setup"  # pytest counts what fails there as errors, not as failures
    if report.skipped and item.config.option.strict and not _may_skip(item, report):
        report.outcome = "failed"
        report.longrepr = f"{_reason(report)} (a failure, for --strict is given)"
    if part := item.config.stash.get(run_session.KEY, None):
        code = problem.code.value if isinstance(problem, CheckFailed) else ""
        describe(item, report, call.when, part.names(), code)
    return report


def _reason(report: pytest.TestReport) -> str:
    """Why a test was skipped."""
    told = report.longrepr
    return told[2].removeprefix("Skipped: ") if isinstance(told, tuple) else str(told)


def _may_skip(item: pytest.Item, report: pytest.TestReport) -> bool:
    """Is the skip one that --allow-skip knows, by the test's name or the reason?"""
    return any(
        options.matches(pattern, text)
        for pattern in item.config.option.allow_skip
        for text in (item.name, _reason(report))
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """After the run's deadline nothing is begun."""
    with _until_deadline(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """No test goes on after the run's deadline: what waits then could not ask."""
    with _until_deadline(item):
        yield


def _until_deadline(item: pytest.Item) -> AbstractContextManager[None]:
    part = item.config.stash.get(run_session.KEY, None)
    if part is None or not part.settings.deadline or part.settings.replay:
        return nullcontext()
    return deadline.before(part.begun + part.settings.deadline, part.settings.deadline)


class VerdictCounter:
    """Counts the verdicts about the cluster; skips and could-not-asks are none."""

    def __init__(self) -> None:
        self.count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called in the controller for every report, also for those of its workers."""
        self.count += report.when == "call" and not report.skipped


# ---- what tests ask for ----


@pytest.fixture(scope="session")
def facts(request: pytest.FixtureRequest) -> Facts:
    """Everything that was collected about the cluster."""
    return run_session.of(request.config).facts()


@pytest.fixture(scope="session")
def expected(request: pytest.FixtureRequest) -> Expectation:
    """What `--expect` says; empty parts expect nothing."""
    return run_session.of(request.config).expected


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> RunHandle:
    """The living cluster, with the run's own pods and services on it."""
    return run_session.of(request.config).live()


@pytest.fixture(scope="session")
def idle(request: pytest.FixtureRequest) -> IdleConnection:
    """What became of a connection to the API that nobody used for a while."""
    return value_or_skip(run_session.of(request.config).rested())
