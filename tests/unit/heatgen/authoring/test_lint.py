# SPDX-License-Identifier: Apache-2.0
"""The block linter accepts valid blocks, and reports each fault with its code and position."""

import pytest

from heatgen.authoring.lint import check
from heatgen.blocks import catalog
from heatgen.project import block_loader
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Position, Problem, ProblemsFound
from tests.unit.heatgen.support import tiny

RUNTIME = "blocks/runtime/containerd/block.yaml"
KVSTORE = "blocks/kvstore/etcd/block.yaml"
DOCKER = "blocks/runtime/docker/block.yaml"
START = "blocks/kvstore/etcd/10-start.sh"
NETWORK = "blocks/network/flannel/block.yaml"
TRUST = "trust/block.yaml"


def lint(files: dict[str, bytes], executables: frozenset[str] | None = None) -> list[Problem]:
    """Return the problems of a tree of blocks."""
    try:
        blocks = catalog.build(files, block_loader.schema("block"))
    except ProblemsFound as found:
        return list(found.problems)
    if executables is None:
        executables = tiny.executables(files)
    problems, _ = check(blocks, executables, block_loader.schema("cluster"))
    return problems


def test_valid_blocks() -> None:
    """Valid blocks have no problems."""
    assert lint(tiny.tree()) == []


IDLE = "{type: string, default: '', description: does nothing}"
FAULTS = {
    # The description against its schema.
    "unknown key": (KVSTORE, "layer: kvstore", "layer: kvstore\nlair: x", Code.UNKNOWN_KEY),
    "wrong layer": (KVSTORE, "layer: kvstore", "layer: network", Code.LAYER_MISMATCH),
    "no summary": (KVSTORE, "summary: A tiny store\n", "", Code.MISSING_KEY),
    "option without default": (RUNTIME, "default: '1.0', ", "", Code.MISSING_KEY),
    "option without description": (RUNTIME, ", description: version of the tool", "",
                                   Code.MISSING_KEY),
    "step without timeout": (KVSTORE, ", timeout: 60", "", Code.MISSING_KEY),
    "timeout above the limit": (KVSTORE, "timeout: 60", "timeout: 99999", Code.OUT_OF_RANGE),
    "name of a script": (KVSTORE, "script: 10-start.sh", "script: start", Code.INVALID_FORMAT),
    "insecure artifact": (RUNTIME, "url: 'https:", "url: 'http:", Code.INVALID_FORMAT),
    "image without tag": (RUNTIME, "pause: registry.example.org/pause:3",
                          "pause: registry.example.org/pause", Code.INVALID_FORMAT),
    "port without reason": (KVSTORE, ", why: clients", "", Code.MISSING_KEY),
    "port from an unknown source": (KVSTORE, "from: [control, worker]", "from: [world]",
                                    Code.VALUE_NOT_ALLOWED),
    "certificate without owner": (KVSTORE, ", owner: store", "", Code.MISSING_KEY),
    "unknown usage": (KVSTORE, "usages: [server, client]", "usages: [sever]",
                      Code.VALUE_NOT_ALLOWED),
    # The description alone.
    "default that breaks its rule": (RUNTIME, "default: '1.0',", "default: '1.0', pattern: '^2',",
                                     Code.INVALID_DEFAULT),
    "option that is not a schema": (RUNTIME, "type: string, default: '1.0'",
                                    "type: text, default: '1.0'",
                                    Code.INVALID_OPTION_DECLARATION),
    "unused input": (KVSTORE, "inputs: [MEMBERS]", "inputs: []", Code.UNUSED_DECLARATION),
    "undeclared input": (KVSTORE, "inputs: [MEMBERS]", "inputs: [MEMBERS, MORE]",
                         Code.UNDECLARED_NAME),
    "unused artifact": (RUNTIME, "from: artifact.tool", "from: options.version",
                        Code.UNUSED_DECLARATION),
    "unused image": (RUNTIME, "image: image.pause", "image: options.version",
                     Code.UNUSED_DECLARATION),
    "unused option": (NETWORK, "options:\n", f"options:\n  idle: {IDLE}\n",
                      Code.UNUSED_DECLARATION),
    "duplicate step": (NETWORK, "name: start", "name: plan", Code.DUPLICATE_STEP),
    "role of another block": (KVSTORE, "script: 10-start.sh",
                              "script: 10-start.sh, roles: [worker]", Code.ROLE_NOT_IN_BLOCK),
    "certificate with a role of another block": (
        KVSTORE, "{authority: etcd, roles: [control]", "{authority: etcd, roles: [worker]",
        Code.ROLE_NOT_IN_BLOCK,
    ),
    "placeholder in a subject": (KVSTORE, "/CN={node}", "/CN={name}", Code.INVALID_CERTIFICATE),
    "server certificate without names": (KVSTORE, "names: [node, localhost]", "names: []",
                                         Code.INVALID_CERTIFICATE),
    "missing base file": (RUNTIME, "file: box.toml", "file: no.toml", Code.MISSING_BLOCK_FILE),
    "port without number": (KVSTORE, "port: '{port}', ", "", Code.MISSING_KEY),
    "VRRP with a port": (KVSTORE, "protocol: tcp", "protocol: vrrp", Code.WRONG_TYPE),
    "input of an unknown role": (KVSTORE, "inputs: [MEMBERS]", "inputs: [MEMBERS@both]",
                                 Code.INVALID_FORMAT),
    "patch of an unknown override": (DOCKER, "  agent: {socket", "  agnet: {socket",
                                     Code.UNKNOWN_OVERRIDE),
    # The description against the scripts.
    "output that is not written": (KVSTORE, "outputs: {health:",
                                   "outputs: {more: not written, health:",
                                   Code.OUTPUT_NOT_WRITTEN),
    "undeclared output": (KVSTORE, "outputs: {health:", "outputs: {other:",
                          Code.UNDECLARED_NAME),
    "input that the script does not use": (START, "$MEMBERS", "x", Code.UNUSED_DECLARATION),
    "input that the step does not have": (START, "$MEMBERS", "$MEMBERS ${MORE:-}",
                                          Code.UNDECLARED_NAME),
    "file of an undeclared input": (START, "echo", 'cat "$(input_file MORE)"; echo',
                                    Code.UNDECLARED_NAME),
    "script without strict mode": (START, "set -euo pipefail\n", "", Code.SCRIPT_CONVENTION),
    "script without comment": (START, "# what the step does\n", "", Code.SCRIPT_CONVENTION),
    "script without final message": (START, 'echo "Done."', "true", Code.SCRIPT_CONVENTION),
    "template in a script": (START, "$MEMBERS", "$MEMBERS {{ members }}",
                             Code.TEMPLATE_IN_SCRIPT),
    "Heat's index in a script": (START, "$MEMBERS", "$MEMBERS %index%", Code.TEMPLATE_IN_SCRIPT),
    # The block in a cluster.
    "unknown source": (KVSTORE, "control_plane.addresses", "control_plane.adresses",
                       Code.UNRESOLVED_REFERENCE),
    "unknown capability": (KVSTORE, "requires: [trust, store-volume]", "requires: [magic]",
                           Code.MISSING_CAPABILITY),
    "dependency cycle": (TRUST, "requires: [agent]", "requires: [trust]",
                         Code.STEP_CYCLE),
    "condition on an unknown source": (TRUST, "control_plane.count:", "control_plane.cuont:",
                                       Code.UNRESOLVED_REFERENCE),
    "condition on a value known to Heat only": (
        TRUST, "when: {control_plane.count:", "when: {servers.names:", Code.UNRESOLVED_REFERENCE,
    ),
    "former name of a role": (TRUST, "requests@all, description",
                              "requests@worker, description", Code.UNRESOLVED_REFERENCE),
    "unknown capability of a group": (DOCKER, "requires: [agent]", "requires: [magic]",
                                      Code.MISSING_CAPABILITY),
    "fact from an unknown option": (KVSTORE, "port: {from: options.port}",
                                    "port: {from: options.number}", Code.UNRESOLVED_REFERENCE),
    "port of an unknown option": (KVSTORE, "port: '{port}'", "port: '{number}'",
                                  Code.UNRESOLVED_REFERENCE),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_faults(name: str) -> None:
    """Each fault is reported with its code, in a file of the block."""
    path, old, new, code = FAULTS[name]
    files = tiny.tree()
    assert old.encode() in files[path]
    files[path] = files[path].replace(old.encode(), new.encode(), 1)
    folder = f"hot/{path.rpartition('/')[0]}/"
    assert code in {problem.code for problem in lint(files) if problem.file.startswith(folder)}


def test_missing_script() -> None:
    """The script of a step must exist."""
    files = tiny.tree()
    del files[START]
    assert (f"hot/{KVSTORE}", Code.MISSING_BLOCK_FILE) in {
        (problem.file, problem.code) for problem in lint(files)
    }


def test_unused_file() -> None:
    """An unused file is reported, but not a block's README."""
    files = tiny.tree()
    files["blocks/kvstore/etcd/old.service"] = b""
    files["blocks/kvstore/etcd/README.rst"] = b"A store.\n"
    (problem,) = lint(files)
    assert problem.code == Code.UNUSED_FILE
    assert problem.file == "hot/blocks/kvstore/etcd/old.service"


def test_script_is_not_executable() -> None:
    """A script without the executable bit is reported with the command that sets it."""
    files = tiny.tree()
    script = "hot/trust/30-install.sh"
    (problem,) = lint(files, tiny.executables(files) - {script})
    assert (problem.file, problem.code) == (script, Code.SCRIPT_NOT_EXECUTABLE)
    assert f"chmod +x {script}" in problem.hint


def test_missing_library() -> None:
    """The step library must exist."""
    files = tiny.tree()
    del files["lib/step.sh"]
    assert ("hot/lib/step.sh", Code.INCOMPLETE_INSTALLATION) in {
        (problem.file, problem.code) for problem in lint(files)
    }


def test_missing_part_of_the_library() -> None:
    """A file that the step library sources must exist."""
    files = tiny.tree()
    files["lib/step.sh"] += b'# shellcheck source=hot/lib/a.sh\nsource "$HEATGEN_LIB/a.sh"\n'
    assert ("hot/lib/a.sh", Code.INCOMPLETE_INSTALLATION) in {
        (problem.file, problem.code) for problem in lint(files)
    }


def test_position_in_a_script() -> None:
    """A fault in a script has the position in the script."""
    files = tiny.tree()
    files[START] = files[START].replace(b"$MEMBERS", b"$MORE")
    assert (f"hot/{START}", Position(7, 8, 4), Code.UNDECLARED_NAME) in {
        (problem.file, problem.position, problem.code) for problem in lint(files)
    }


def test_option_named_output() -> None:
    """A program's option --output is not an output of the step."""
    files = tiny.tree()
    files[START] = files[START].replace(b'echo "$MEMBERS', b'ps --output pid; echo "$MEMBERS')
    assert lint(files) == []


def test_computed_names() -> None:
    """A script can use inputs whose names it computes."""
    files = tiny.tree()
    files["trust/20-sign.sh"] = (
        tiny.script(
            "ADMIN",
            "EXTERNAL",
            "SHARES",
            "GENERATION",
            "AUTHORITIES",
            outputs=(
                "ca_kubernetes",
                "admin_certificate",
                "certificates_generation",
                "authority_generations",
            ),
        )
        + b'cat "$(input_file "REQ$x")" "$(input_file NAMES.d)"\necho "$(input_file ADDRESSES.d)"\n'
    )
    assert lint(files) == []
