# SPDX-License-Identifier: Apache-2.0
"""Tests of the plan: dependencies and inputs of steps."""

import pytest

from heatgen.blocks.pins import Pins
from heatgen.plan.build import LIBRARY_LINE, build_plan
from heatgen.plan.inputs import NodeNames, ServerAddresses, StepOutput
from heatgen.plan.model import Plan
from heatgen.yamlio.problems import Problem, ProblemsFound
from tests.unit.heatgen.support import tiny


def requires(of: Plan) -> dict[str, set[str]]:
    """Return the names of deployments, each with its dependencies."""
    return {item.name: set(item.requires) for item in of.deployments}


def changed(path: str, old: str, new: str) -> dict[str, bytes]:
    """Return the files of the minimal blocks with a text in one file replaced."""
    files = tiny.tree()
    assert old.encode() in files[path]
    files[path] = files[path].replace(old.encode(), new.encode())
    return files


def problems_of(files: dict[str, bytes]) -> list[Problem]:
    """Return the problems of planning a minimal cluster with these blocks."""
    with pytest.raises(ProblemsFound) as found:
        tiny.planned(files=files)
    return list(found.value.problems)


def test_one_control_plane_node() -> None:
    """A capability is provided on the same server, else by the same role, else by all servers."""
    needs = requires(tiny.planned())
    # On the same server.
    assert needs["runtime_start_workers"] == {"os_preflight_workers"}
    # The only providers are on another node than the worker.
    assert needs["network_plan_control_0"] == {"kvstore_start_control_0"}
    assert needs["network_start_workers"] == {"network_plan_control_0"}
    # @all and @worker.
    assert needs["trust_sign_control_0"] == {"trust_request_control_0", "trust_request_workers"}
    assert needs["orchestration_ready_control_0"] == {
        "orchestration_node_control_0", "orchestration_node_workers", "network_start_workers",
    }  # fmt: skip


def test_three_control_plane_nodes() -> None:
    """Nodes depend on their own steps, on the first node's signing; workers depend on all."""
    needs = requires(tiny.planned(control=3))
    assert needs["kvstore_start_control_2"] == {"trust_install_control_2"}
    assert needs["trust_install_control_2"] == {"trust_sign_control_0"}
    assert "network_plan_control_1" not in needs
    assert needs["orchestration_node_workers"] == {
        "runtime_start_workers", "orchestration_control_control_0",
        "orchestration_control_control_1", "orchestration_control_control_2",
    }  # fmt: skip


def test_order() -> None:
    """Every deployment is after those it depends on."""
    done: set[str] = set()
    for item in tiny.planned(control=5).deployments:
        assert set(item.requires) <= done
        done.add(item.name)


def test_missing_capability() -> None:
    """A capability that no step provides is reported with the step that requires it."""
    files = changed(
        "blocks/kvstore/etcd/block.yaml",
        "requires: [trust, store-volume]",
        "requires: [magic, store-volume]",
    )
    (problem,) = problems_of(files)
    assert problem.code == "missing-capability"
    assert problem.file == "hot/blocks/kvstore/etcd/block.yaml"
    assert "'start'" in problem.message
    assert "'magic'" in problem.message


def test_cycle() -> None:
    """A cycle of steps is reported with the names of its deployments."""
    files = changed("blocks/os/debian/block.yaml", "requires: []", "requires: [runtime]")
    (problem,) = problems_of(files)
    assert problem.code == "step-cycle"
    assert "os_preflight_" in problem.message
    assert "runtime_start_" in problem.message


def test_inputs() -> None:
    """Each step has its declared inputs, and those that all steps have."""
    by_name = {item.name: item for item in tiny.planned(control=3).deployments}
    start = by_name["kvstore_start_control_1"].inputs
    assert start == {
        "HEATGEN_LIB": "/opt/heatgen/lib",
        "HEATGEN_STEP": "kvstore/start", "HEATGEN_ROLE": "control", "HEATGEN_GROUP": "control",
        "HEATGEN_TIMEOUT": "60",
        "MEMBERS": ["10.0.0.10", "10.0.0.11", "10.0.0.12"],
    }  # fmt: skip
    sign = by_name["trust_sign_control_0"].inputs
    assert sign["REQUESTS"] == StepOutput("trust", "request", "requests", "all")
    assert sign["ADDRESSES"] == ServerAddresses()
    assert by_name["orchestration_ready_control_0"].inputs["NODES"] == NodeNames()


def test_timeout_factor() -> None:
    """``site.timeout_factor`` multiplies the time limits of steps; 1 is not an input."""
    text = tiny.CLUSTER + "site: {timeout_factor: 4}\n"
    inputs = {item.name: item.inputs for item in tiny.planned(text).deployments}
    assert inputs["kvstore_start_control_0"]["HEATGEN_TIMEOUT"] == "240"
    assert inputs["kvstore_start_control_0"]["HEATGEN_TIMEOUT_FACTOR"] == "4"
    usual = {item.name: item.inputs for item in tiny.planned().deployments}
    assert "HEATGEN_TIMEOUT_FACTOR" not in usual["kvstore_start_control_0"]


def test_artifacts_by_role() -> None:
    """The source ``artifacts`` has only the artifacts of the role's own steps."""
    files = changed("blocks/runtime/containerd/block.yaml", "roles: [control, worker]",
                    "roles: [worker]")  # fmt: skip
    by_name = {item.name: item for item in tiny.planned(files=files).deployments}
    assert by_name["os_preflight_workers"].inputs["ARTIFACTS"] == f"{tiny.TOOL} {'a' * 64}"
    assert by_name["os_preflight_control_0"].inputs["ARTIFACTS"] == ""


def test_missing_pins() -> None:
    """Every missing digest is reported, with the command that adds it."""
    blocks = tiny.build_catalog()
    with pytest.raises(ProblemsFound) as found:
        build_plan(tiny.spec(), blocks, Pins(), tiny.REQUEST)
    problems = sorted(found.value.problems, key=lambda problem: problem.message)
    assert [problem.code for problem in problems] == ["incomplete-lock"] * 2
    assert tiny.TOOL in problems[0].message
    assert tiny.PAUSE in problems[1].message
    assert all("heatgen lock" in problem.hint for problem in problems)


def test_scripts_are_complete() -> None:
    """The first steps of a node install the library; scripts change only in their comments."""
    planned = tiny.planned()
    scripts = {item.name: planned.library.join(item.script) for item in planned.configs}
    with_library = {name for name, text in scripts.items() if "# the library" in text}
    assert with_library == {"os_preflight_config"}
    source = f"\n\n{LIBRARY_LINE.splitlines()[1]}\n"
    install = "\ncat >library <<'END'\n# the library\nfail() { exit 1; }\nEND\n"
    assert scripts["os_preflight_config"].count(f"{install[:-1]}{source}") == 1
    script = scripts["kvstore_start_config"]
    assert script.startswith("#!/bin/bash\n")
    assert script.count(source) == 1
    assert script.endswith('echo "$MEMBERS"\noutput health x\necho "Done."\n')


def test_script_without_library() -> None:
    """A script that does not source the library is reported."""
    files = tiny.tree()
    files["trust/20-sign.sh"] = b"#!/bin/bash\n"
    (problem,) = problems_of(files)
    assert (problem.file, problem.code) == ("hot/trust/20-sign.sh", "script-convention")


def test_missing_script() -> None:
    """A script that does not exist is reported."""
    files = tiny.tree()
    del files["trust/20-sign.sh"]
    (problem,) = problems_of(files)
    assert (problem.file, problem.code) == ("hot/trust/20-sign.sh", "missing-block-file")


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ("inputs: [CERTIFICATES]", "inputs: [CERTIFICATE]", 17, "undeclared-name"),
        ("from: certificates,", "from: certificate,", 6, "unresolved-reference"),
        ("when: {control_plane.count:", "when: {control_plane.cout:", 21, "unresolved-reference"),
    ],
)
def test_invalid_references(old: str, new: str, line: int, code: str) -> None:
    """An invalid input or condition of a step is reported at its position."""
    problem, *_ = problems_of(changed("trust/block.yaml", old, new))
    assert (problem.file, problem.code) == ("hot/trust/block.yaml", code)
    assert problem.position is not None
    assert problem.position.line == line


def test_invalid_fact() -> None:
    """An invalid reference of a fact is reported."""
    path = "blocks/kvstore/etcd/block.yaml"
    (problem,) = problems_of(changed(path, "from: options.port}", "from: options.prt}"))
    assert (problem.file, problem.code) == (f"hot/{path}", "unresolved-reference")


def test_types_of_inputs() -> None:
    """Maps have the type Json, all other inputs String: Heat changes values of other types."""
    config = next(item for item in tiny.planned().configs if item.name == "trust_sign_config")
    kinds = {name: kind for name, kind in config.inputs.items() if not name.startswith("HEATGEN")}
    assert kinds == {"REQUESTS": "Json", "NAMES": "Json", "ADDRESSES": "Json", "SHARES": "Json",
                     "EXTERNAL": "String", "ADMIN": "String", "GENERATION": "String",
                     "AUTHORITIES": "String"}  # fmt: skip


def test_groups() -> None:
    """Each group has the steps of its own blocks, which depend on steps of the same group."""
    planned = tiny.planned(tiny.GROUPS)
    needs = requires(planned)
    assert needs["runtime_start_workers_big_box"] == {"os_preflight_workers_big_box"}
    assert "runtime_start_workers_big_box" in needs["orchestration_node_workers_big_box"]
    assert "runtime_start_workers" not in needs["orchestration_node_workers_big_box"]
    assert {"orchestration_node_workers", "orchestration_node_workers_big_box",
            "network_start_workers_big_box"} <= needs["orchestration_ready_control_0"]  # fmt: skip
    configs = {item.name: item.config for item in planned.deployments}
    assert configs["runtime_start_control_2"] == configs["runtime_start_workers"]
    assert configs["runtime_start_workers"] == "runtime_start_config"
    assert configs["runtime_start_workers_big_box"] == "runtime_start_docker_config"
    assert configs["os_preflight_workers_big_box"] == configs["os_preflight_workers"]
    by_name = {item.name: item.inputs for item in planned.deployments}
    assert by_name["os_preflight_workers_big_box"]["HEATGEN_GROUP"] == "big-box"
    assert by_name["os_preflight_workers_big_box"]["HEATGEN_ROLE"] == "worker"


def test_disabled_steps() -> None:
    """A step whose condition is false has no deployments, and no step depends on it."""
    needs = requires(tiny.planned())
    assert not any("_share_" in name or "_endpoint_" in name for name in needs)
    many = requires(tiny.planned(control=3))
    assert "trust_share_control_2" in many["trust_sign_control_0"]
    assert "orchestration_endpoint_control_1" in many["orchestration_control_control_1"]
    assert "orchestration_endpoint_control_1" not in many["orchestration_control_control_0"]


def test_inputs_of_one_role() -> None:
    """An input NAME@ROLE has a value on that role only; the shared configuration declares it."""
    planned = tiny.planned(tiny.GROUPS)
    by_name = {item.name: item.inputs for item in planned.deployments}
    assert "LABELS" not in by_name["orchestration_node_control_0"]
    assert by_name["orchestration_node_workers_big_box"]["LABELS"] == "b=2,example.org/a=x"
    config = next(item for item in planned.configs if item.name == "orchestration_node_config")
    assert config.inputs["LABELS"] == "String"


def test_facts() -> None:
    """Facts are strings with options, typed values of sources, or lists over the control plane."""
    assert tiny.planned(control=3).facts == {
        "etcd": {
            "endpoints": [f"https://10.0.0.1{index}:2379" for index in range(3)],
            "version": "v3.0",
            "port": 2379,
        }
    }
