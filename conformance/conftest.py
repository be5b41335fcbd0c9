# SPDX-License-Identifier: Apache-2.0
"""pytest hooks and fixtures of the suite."""

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
from conformance.results.records import LEFT_BEHIND, NOT_EVALUATED, Writer
from conformance.session import Session
from conformance.soak import driver

MOST_WORKERS = 4  # tests mostly wait; more processes only take time to start
LONGEST = "test_endpoints_follow"  # the slowest test; started first, so others run beside it
NO_CONTROL_PLANE = "no node has the role control-plane"

evaluated_tests = pytest.StashKey["EvaluatedTests"]()
epilogue = pytest.StashKey[list[str]]()
recorder = pytest.StashKey[Recorder]()
timings = pytest.StashKey[dict[str, float]]()
output_files = pytest.StashKey[OutputFiles]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the suite's options."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register markers, show reasons of skips, and distribute tests as suits short ones."""
    for layer, meaning in layers.LAYERS.items():
        config.addinivalue_line("markers", f"{layer}: {meaning}")
    config.addinivalue_line("markers", "thorough: slow; skipped by --quick")
    config.addinivalue_line("markers", "disruptive: causes a temporary failure; needs --disruptive")
    config.addinivalue_line("markers", "detects(*faults): the faults that this check detects")
    # The kubeconfig decides whether the certificate of the API is verified.
    config.addinivalue_line("filterwarnings", "ignore:Unverified HTTPS request")
    if config.option.reportchars == "fE":
        config.option.reportchars = "fEs"
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "worksteal"
    config.stash[epilogue] = []
    config.stash[evaluated_tests] = EvaluatedTests()
    config.pluginmanager.register(config.stash[evaluated_tests])
    config.stash[timings] = {}
    config.stash[recorder] = Recorder()
    if not is_worker(config):
        config.pluginmanager.register(config.stash[recorder])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers for ``-n auto``: one per core, with an upper limit."""
    return min(os.cpu_count() or 1, MOST_WORKERS)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run a soak instead of a single run if requested; use one process if tests are disruptive.

    No other test may run during a disruption.
    """
    if getattr(config.option, "disruptive", False) and hasattr(config.option, "numprocesses"):
        config.option.numprocesses, config.option.dist, config.option.tx = 0, "no", []
    plan = driver.plan_of(config)
    if plan is None:
        return None
    destination = files.from_options(config)
    soak = driver.create(plan, options.settings(config), config)
    status = soak.run()
    if soak.rounds:
        found = soak.summary()
        for line in driver.lines_of(found):
            soak.log(line)
        if soak.shown:
            for line in files.write(destination, soak.shown, found):
                soak.log(line)
            files.complete_junit(destination, soak.shown)
    return status


# ---- the run: started by the controller, joined by its workers ----


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Connect to the cluster; the controller also removes leftovers and creates the objects."""
    config = session.config
    if config.option.showfixtures or config.option.show_fixtures_per_test:
        return
    suite = run_session.open_for(config)
    config.stash[run_session.KEY] = suite
    if is_worker(config) or config.option.collectonly:
        return
    _start_results(suite, config)
    if suite.settings.replay:
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job cleans up, too
    try:
        suite.start()
    except InconclusiveError as problem:
        _finish_results(config, pytest.ExitCode.USAGE_ERROR, problem=str(problem))
        raise pytest.UsageError(f"the run could not start: {problem}") from None


def _start_results(suite: Session, config: pytest.Config) -> None:
    config.stash[output_files] = files.from_options(config)
    current = config.stash[recorder]
    if suite.settings.results:
        current.writer = Writer(suite.settings.results)
    nodes = [node.name for node in suite.nodes]
    current.begin(run=suite.run.id, image=suite.run.image, nodes=nodes)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the state of the run to a worker."""
    node.workerinput["conformance"] = json.dumps(run_session.get(node.config).worker_payload())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove the run's objects, and fail if objects remain or no test was evaluated."""
    config = session.config
    suite = config.stash.get(run_session.KEY, None)
    if suite is None or is_worker(config):
        return
    if not _end(suite, config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    evaluated = config.stash[evaluated_tests].count or config.option.collectonly
    if not evaluated and not session.exitstatus:
        config.stash[epilogue].append(NOT_EVALUATED)
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
    _finish_results(config, int(session.exitstatus), notes=[*config.stash[epilogue]])


def _finish_results(config: pytest.Config, status: int, **footer: Any) -> None:
    """Close the results file and write the reports, except JUnit, which pytest writes last."""
    current = config.stash[recorder]
    if current.footer or output_files not in config.stash:
        return
    current.end(status, **footer, seconds=config.stash[timings])
    config.stash[epilogue] += files.write(config.stash[output_files], current.recording)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Clean up if the session ended prematurely (a plug-in failed, Ctrl-C)."""
    suite = config.stash.get(run_session.KEY, None)
    if suite is not None and not is_worker(config) and not suite.closed:
        _end(suite, config)
        for line in config.stash[epilogue]:
            sys.stderr.write(f"conformance: {line}\n")
        _finish_results(config, pytest.ExitCode.INTERNAL_ERROR, notes=[*config.stash[epilogue]])
    if output_files in config.stash and config.stash[recorder].footer:
        files.complete_junit(config.stash[output_files], config.stash[recorder].recording)


def _end(suite: Session, config: pytest.Config) -> bool:
    """Save the facts if requested and delete the run's objects; return whether none remain."""
    notes = config.stash[epilogue]
    notes += suite.notices
    if suite.save():
        notes.append(f"facts saved in {suite.settings.save}")
    if found := suite.collected():
        overview = cluster.overview_of(found, suite.expected)
        config.stash[recorder].cluster = dataclasses.asdict(overview)
        config.stash[timings] |= found.seconds
    remains: list[str] = []
    if suite.lifecycle:
        notes += [
            f"removed leftover namespace {name}: {why}"
            for name, why in suite.lifecycle.swept.items()
        ]
        remains = suite.lifecycle.end(suite.settings.patience)
        notes += [f"{LEFT_BEHIND}: {what}" for what in remains]
        config.stash[timings] |= suite.lifecycle.seconds
        durations = (f"{what} {seconds:.1f} s" for what, seconds in config.stash[timings].items())
        notes.append(", ".join(durations))
    suite.close()
    return not remains


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Return known obstacles, to be shown before the first test."""
    suite = config.stash.get(run_session.KEY, None)
    return [f"conformance: {notice}" for notice in suite.notices] if suite else []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the notes of the run."""
    for line in config.stash[epilogue]:
        terminalreporter.write_line(f"conformance: {line}")


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process is a worker of a parallel session."""
    return hasattr(config, "workerinput")


# ---- the tests: one for each node, pair of nodes, or member ----


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize tests by the names of their arguments."""
    if run_session.KEY not in metafunc.config.stash:
        return
    suite = run_session.get(metafunc.config)
    names = [node.name for node in suite.nodes]
    pairs = [pytest.param(a, b, id=f"{a}->{b}") for a, b in permutations(names, 2)]
    for arguments, values in {
        "node": names,
        "etcd_node": _etcd_nodes(suite),
        "docker_node": _docker_nodes(suite) or [_skip("no node runs Docker")],
        "control_node": _control_nodes(suite) or [_skip(NO_CONTROL_PLANE)],
        "host,api_server": [pytest.param(n, u, id=f"{n}->{u}") for n in names for u in _apis(suite)]
        or [_skip("the addresses of the API servers are unknown", 2)],
        "tls_port": _tls_ports(suite),
        "host,program": _pairs(_control_nodes(suite), cis_rules.PROGRAMS),
        "host,service": _pairs(_control_nodes(suite), cis_rules.UNPRIVILEGED),
        "host,file_rule": _file_rules(suite),
        "expected_node": list(suite.expected.nodes)
        or [_skip("the expected nodes are unknown: pass --expect")],
        "source,target": pairs or [_skip("there is only one node", 2)],
        "host,peer": [pytest.param(a, b, id=f"{a}->{b}") for a, b in product(names, repeat=2)],
    }.items():
        if set(arguments.split(",")) <= set(metafunc.fixturenames):
            metafunc.parametrize(arguments, values)


def _etcd_nodes(suite: Session) -> list[Any]:
    """Return the nodes of etcd: as expected, else the control-plane nodes, else all nodes."""
    endpoints = suite.expected.etcd.get("endpoints", [])
    expected = [n.name for n in suite.nodes if any(f"//{n.address}:" in url for url in endpoints)]
    control = [node.name for node in suite.nodes if node.is_control]
    return expected or control or [node.name for node in suite.nodes]


def _control_nodes(suite: Session) -> list[Any]:
    """Return the control-plane nodes: as expected, else by role label."""
    roles = {name: node.role for name, node in suite.expected.nodes.items()}
    return [
        node.name
        for node in suite.nodes
        if roles.get(node.name, "control" if node.is_control else "worker") == "control"
    ]


def _docker_nodes(suite: Session) -> list[Any]:
    """Return the nodes whose actual or expected runtime is Docker."""
    return [
        node.name
        for node in suite.nodes
        if node.runtime.startswith("docker://") or suite.expected.runtime(node.name) == "docker"
    ]


def _apis(suite: Session) -> list[str]:
    """Return the URL of each API server: as expected, else as reported by the cluster."""
    return suite.expected.api_servers() or suite.run.api_servers


def _tls_ports(suite: Session) -> list[Any]:
    """Return (node, label) of every TLS port of kubelets and control plane."""
    control = _control_nodes(suite)
    return [
        pytest.param((node.name, label), id=f"{node.name}:{label}")
        for node in suite.nodes
        for label in ("kubelet", *(("api", "etcd", "peer") if node.name in control else ()))
    ]


def _file_rules(suite: Session) -> list[Any]:
    control = _control_nodes(suite)
    return [
        pytest.param(node.name, rule, id=f"{node.name}-{rule.name}")
        for node in suite.nodes
        for rule in cis_rules.FILES
        if node.name in control or not rule.control
    ]


def _pairs(nodes: list[Any], names: Iterable[str]) -> list[Any]:
    pairs = [pytest.param(node, name, id=f"{node}-{name}") for node in nodes for name in names]
    return pairs or [_skip(NO_CONTROL_PLANE, 2)]


def _skip(reason: str, values: int = 1) -> Any:
    return pytest.param(*[""] * values, id="none", marks=pytest.mark.skip(reason=reason))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run checks in layer order, except that the slowest test starts first.

    Tests of the idle connection run late, when it has been idle long enough. Disruptive tests run
    last, if at all.
    """
    _deselect(config, items)
    order = list(layers.LAYERS)

    def place(item: pytest.Item) -> tuple[bool, bool, bool, int]:
        numbers = [order.index(mark.name) for mark in item.iter_markers() if mark.name in order]
        waits = "idle" in getattr(item, "fixturenames", ())
        disrupts = item.get_closest_marker("disruptive") is not None
        first = item.name.startswith(LONGEST)
        return (disrupts, waits, not first, min(numbers, default=len(order)))

    items.sort(key=place)


def _deselect(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect slow tests with ``--quick``, and disruptive tests without ``--disruptive``."""

    def is_deselected(item: pytest.Item) -> bool:
        marks = {mark.name for mark in item.iter_markers()}
        slow = "idle" in getattr(item, "fixturenames", ()) or bool(
            marks & {"hardening", "thorough"}
        )
        disrupts = "disruptive" in marks
        return (config.option.quick and slow) or (disrupts and not config.option.disruptive)

    deselected = [item for item in items if is_deselected(item)]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if item not in deselected]


# ---- outcomes ----


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report failures without traceback, inconclusive tests as errors, strict skips as failures."""
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
        report.longrepr = f"{_reason(report)} (a failure because of --strict)"
    if suite := item.config.stash.get(run_session.KEY, None):
        code = problem.code.value if isinstance(problem, CheckFailed) else ""
        describe(item, report, call.when, suite.names(), code)
    return report


def _reason(report: pytest.TestReport) -> str:
    """Return the reason of a skip."""
    text = report.longrepr
    return text[2].removeprefix("Skipped: ") if isinstance(text, tuple) else str(text)


def _may_skip(item: pytest.Item, report: pytest.TestReport) -> bool:
    """Return whether ``--allow-skip`` matches the name of the test or the reason."""
    return any(
        options.matches(pattern, text)
        for pattern in item.config.option.allow_skip
        for text in (item.name, _reason(report))
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Do not start tests after the deadline of the run."""
    with _until_deadline(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """End a running test as inconclusive at the deadline of the run."""
    with _until_deadline(item):
        yield


def _until_deadline(item: pytest.Item) -> AbstractContextManager[None]:
    suite = item.config.stash.get(run_session.KEY, None)
    if suite is None or not suite.settings.deadline or suite.settings.replay:
        return nullcontext()
    return deadline.enforce(suite.begun + suite.settings.deadline, suite.settings.deadline)


class EvaluatedTests:
    """Number of tests that passed or failed; skips and inconclusive tests do not count."""

    def __init__(self) -> None:
        self.count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a report; called in the controller, also for reports of its workers."""
        self.count += report.when == "call" and not report.skipped


# ---- fixtures ----


@pytest.fixture(scope="session")
def facts(request: pytest.FixtureRequest) -> Facts:
    """Return the facts collected about the cluster."""
    return run_session.get(request.config).facts()


@pytest.fixture(scope="session")
def expected(request: pytest.FixtureRequest) -> Expectation:
    """Return the expectation of ``--expect``; empty parts expect nothing."""
    return run_session.get(request.config).expected


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> RunHandle:
    """Return the running cluster with the run's own pods and Services."""
    return run_session.get(request.config).live()


@pytest.fixture(scope="session")
def idle(request: pytest.FixtureRequest) -> IdleConnection:
    """Return the result of using a connection to the API after it was idle."""
    return value_or_skip(run_session.get(request.config).idle_result())
