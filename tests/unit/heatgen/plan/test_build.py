# SPDX-License-Identifier: Apache-2.0
"""The plan: who waits for whom, and what every step is given."""

import pytest

from heatgen.blocks.pins import Pins
from heatgen.plan.build import LIBRARY_LINE, build_plan
from heatgen.plan.inputs import NodeNames, ServerAddresses, StepOutput
from heatgen.plan.model import Plan
from heatgen.yamlio.problems import ProblemsFound
from tests.unit.heatgen.support import tiny


def requires(of: Plan) -> dict[str, set[str]]:
    """Each deployment's name and what it waits for."""
    return {item.name: set(item.requires) for item in of.deployments}


def changed(path: str, old: str, new: str) -> dict[str, bytes]:
    """The tiny house with one text of a file replaced."""
    files = tiny.tree()
    assert old.encode() in files[path]
    files[path] = files[path].replace(old.encode(), new.encode())
    return files


def test_one_control_plane_node() -> None:
    """Own server first, then own role, then all: each capability finds its providers."""
    needs = requires(tiny.planned())
    # On the same server.
    assert needs["runtime_start_workers"] == {"os_preflight_workers"}
    # Workers run no etcd, control-plane nodes do.
    assert needs["network_plan_control_0"] == {"kvstore_start_control_0"}
    assert needs["network_start_workers"] == {"network_plan_control_0"}
    # @all and @worker.
    assert needs["trust_sign_control_0"] == {"trust_request_control_0", "trust_request_workers"}
    assert needs["orchestration_ready_control_0"] == {
        "orchestration_node_control_0", "orchestration_node_workers", "network_start_workers",
    }  # fmt: skip


def test_three_control_plane_nodes() -> None:
    """Each node waits for its own; the first alone signs; workers wait for all."""
    needs = requires(tiny.planned(control=3))
    assert needs["kvstore_start_control_2"] == {"trust_install_control_2"}
    assert needs["trust_install_control_2"] == {"trust_sign_control_0"}
    assert "network_plan_control_1" not in needs
    assert needs["orchestration_node_workers"] == {
        "runtime_start_workers", "orchestration_control_control_0",
        "orchestration_control_control_1", "orchestration_control_control_2",
    }  # fmt: skip


def test_order_is_possible() -> None:
    """Every deployment comes after those it waits for."""
    done: set[str] = set()
    for item in tiny.planned(control=5).deployments:
        assert set(item.requires) <= done
        done.add(item.name)


def test_nobody_provides() -> None:
    """A capability that no step provides is told with the step that wants it."""
    files = changed(
        "blocks/kvstore/etcd/block.yaml",
        "requires: [trust, store-volume]",
        "requires: [magic, store-volume]",
    )
    with pytest.raises(ProblemsFound, match="'start' requires 'magic', which no step provides"):
        tiny.planned(files=files)


def test_circle() -> None:
    """Steps that wait for each other are named."""
    files = changed("blocks/os/debian/block.yaml", "requires: []", "requires: [runtime]")
    with pytest.raises(ProblemsFound, match=r"steps wait for each other: .*os_preflight_"):
        tiny.planned(files=files)


def test_inputs() -> None:
    """Each step gets its inputs, and what every step gets."""
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


def test_artifacts_by_role() -> None:
    """A server is told of the artifacts that its own steps use."""
    files = changed("blocks/runtime/containerd/block.yaml", "roles: [control, worker]",
                    "roles: [worker]")  # fmt: skip
    by_name = {item.name: item for item in tiny.planned(files=files).deployments}
    assert by_name["os_preflight_workers"].inputs["ARTIFACTS"] == f"{tiny.TOOL} {'a' * 64}"
    assert by_name["os_preflight_control_0"].inputs["ARTIFACTS"] == ""


def test_missing_pins() -> None:
    """All sums that the lock lacks are told, with the command that finds them."""
    blocks = tiny.build_catalog()
    with pytest.raises(ProblemsFound) as found:
        build_plan(tiny.spec(), blocks, Pins(), tiny.REQUEST)
    assert {(problem.message, problem.hint) for problem in found.value.problems} == {
        (f"there is no checksum of {tiny.TOOL}", "run 'heatgen lock'"),
        (f"there is no digest of {tiny.PAUSE}", "run 'heatgen lock'"),
    }


def test_scripts_are_complete() -> None:
    """A node's first steps install the library that all source; nothing else is changed."""
    planned = tiny.planned()
    scripts = {item.name: planned.library.join(item.script) for item in planned.configs}
    with_library = {name for name, text in scripts.items() if "# the library" in text}
    assert with_library == {"os_preflight_config"}
    source = f"\n{LIBRARY_LINE}"
    install = "\ncat >library <<'END'\n# the library\nfail() { exit 1; }\nEND\n"
    assert scripts["os_preflight_config"].count(f"{install[:-1]}{source}") == 1
    script = scripts["kvstore_start_config"]
    assert script.startswith("#!/bin/bash\n")
    assert script.count(source) == 1
    assert script.endswith('echo "$MEMBERS"\noutput health x\necho "Done."\n')


def test_script_without_library() -> None:
    """A script that does not source the library is refused by name."""
    files = tiny.tree()
    files["trust/20-sign.sh"] = b"#!/bin/bash\n"
    with pytest.raises(ProblemsFound) as found:
        tiny.planned(files=files)
    assert found.value.problems[0].file == "hot/trust/20-sign.sh"


def test_kinds_of_inputs() -> None:
    """Maps are declared as Json, all else as String: Heat garbles anything else."""
    config = next(item for item in tiny.planned().configs if item.name == "trust_sign_config")
    kinds = {name: kind for name, kind in config.inputs.items() if not name.startswith("HEATGEN")}
    assert kinds == {"REQUESTS": "Json", "NAMES": "Json", "ADDRESSES": "Json", "SHARES": "Json",
                     "EXTERNAL": "String", "ADMIN": "String", "GENERATION": "String",
                     "AUTHORITIES": "String"}  # fmt: skip


def test_groups() -> None:
    """Each group has the steps of its own blocks; what it waits for is its own."""
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


def test_steps_that_are_switched_off() -> None:
    """A step whose condition does not hold is not there, and nobody waits for it."""
    needs = requires(tiny.planned())
    assert not any("_share_" in name or "_endpoint_" in name for name in needs)
    many = requires(tiny.planned(control=3))
    assert "trust_share_control_2" in many["trust_sign_control_0"]
    assert "orchestration_endpoint_control_1" in many["orchestration_control_control_1"]
    assert "orchestration_endpoint_control_1" not in many["orchestration_control_control_0"]


def test_condition_that_leads_nowhere() -> None:
    """A condition on nothing is told at its place."""
    files = changed("trust/block.yaml", "when: {control_plane.count:", "when: {control_plane.cout:")
    with pytest.raises(ProblemsFound, match=r"'control_plane.cout' is not a source of inputs"):
        tiny.planned(files=files)


def test_inputs_of_one_role() -> None:
    """NAME@ROLE is given on that role only, but declared for all: the script is one."""
    planned = tiny.planned(tiny.GROUPS)
    by_name = {item.name: item.inputs for item in planned.deployments}
    assert "LABELS" not in by_name["orchestration_node_control_0"]
    assert by_name["orchestration_node_workers_big_box"]["LABELS"] == "b=2,example.org/a=x"
    config = next(item for item in planned.configs if item.name == "orchestration_node_config")
    assert config.inputs["LABELS"] == "String"


def test_facts() -> None:
    """Facts are texts with options, references with their types, lists over the control plane."""
    assert tiny.planned(control=3).facts == {
        "etcd": {
            "endpoints": [f"https://10.0.0.1{index}:2379" for index in range(3)],
            "version": "v3.0",
            "port": 2379,
        }
    }
