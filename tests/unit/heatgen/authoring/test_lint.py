# SPDX-License-Identifier: Apache-2.0
"""The block linter: a good house is good, and each fault is found for what it is."""

import pytest

from heatgen.authoring.lint import check
from heatgen.blocks import catalog
from heatgen.project import block_loader
from heatgen.yamlio.problems import ProblemsFound, report
from tests.unit.heatgen.support import tiny

RUNTIME = "blocks/runtime/containerd/block.yaml"
KVSTORE = "blocks/kvstore/etcd/block.yaml"
DOCKER = "blocks/runtime/docker/block.yaml"
START = "blocks/kvstore/etcd/10-start.sh"
NETWORK = "blocks/network/flannel/block.yaml"
TRUST = "trust/block.yaml"


def lint(files: dict[str, bytes], executables: frozenset[str] | None = None) -> str:
    """The report of a house."""
    try:
        blocks = catalog.build(files, block_loader.schema("block"))
    except ProblemsFound as found:
        return report(found.problems, found.sources)
    if executables is None:
        executables = tiny.executables(files)
    problems, sources = check(blocks, executables, block_loader.schema("cluster"))
    return report(problems, sources)


def test_good_house() -> None:
    """Nothing is found where nothing is wrong."""
    assert lint(tiny.tree()) == ""


IDLE = "{type: string, default: '', description: does nothing}"
FAULTS = {
    # The description against its schema.
    "unknown key": (KVSTORE, "layer: kvstore", "layer: kvstore\nlair: x",
                    "lair is not known here"),
    "wrong layer": (KVSTORE, "layer: kvstore", "layer: network",
                    "layer is 'network', but the folder is 'kvstore'"),
    "no summary": (KVSTORE, "summary: A tiny store\n", "", "summary is missing"),
    "option without default": (RUNTIME, "default: '1.0', ", "",
                               "options.version.default is missing"),
    "option without description": (RUNTIME, ", description: version of the tool", "",
                                   "options.version.description is missing"),
    "step without timeout": (KVSTORE, ", timeout: 60", "", "steps[0].timeout is missing"),
    "endless timeout": (KVSTORE, "timeout: 60", "timeout: 9999", "greater than the maximum"),
    "script's name": (KVSTORE, "script: 10-start.sh", "script: start", "must be named NN-verb.sh"),
    "insecure artifact": (RUNTIME, "url: 'https:", "url: 'http:", "must be an https URL"),
    "image without tag": (RUNTIME, "pause: registry.example.org/pause:3",
                          "pause: registry.example.org/pause", "registry/repository:tag"),
    "port without reason": (KVSTORE, ", why: clients", "", "ports[0].why is missing"),
    "port from nowhere": (KVSTORE, "from: [control, worker]", "from: [world]",
                          "'world' is not known"),
    "certificate without owner": (KVSTORE, ", owner: store", "", "owner is missing"),
    "unknown usage": (KVSTORE, "usages: [server, client]", "usages: [sever]",
                      "did you mean 'server'?"),
    # The description against itself.
    "default that breaks its rule": (RUNTIME, "default: '1.0',", "default: '1.0', pattern: '^2',",
                                     "the default is not valid"),
    "option that is no schema": (RUNTIME, "type: string, default: '1.0'",
                                 "type: text, default: '1.0'", "is not JSON Schema"),
    "input that nobody takes": (KVSTORE, "inputs: [MEMBERS]", "inputs: []",
                                "no step takes the input MEMBERS"),
    "input that nobody declares": (KVSTORE, "inputs: [MEMBERS]", "inputs: [MEMBERS, MORE]",
                                   "input MORE is not declared"),
    "unused artifact": (RUNTIME, "from: artifact.tool", "from: options.version",
                        "nothing uses the artifact 'tool'"),
    "unused image": (RUNTIME, "image: image.pause", "image: options.version",
                     "nothing uses the image 'pause'"),
    "unused option": (NETWORK, "options:\n", f"options:\n  idle: {IDLE}\n",
                      "nothing uses the option 'idle'"),
    "two steps of one name": (NETWORK, "name: start", "name: plan", "there are two steps 'plan'"),
    "foreign role": (KVSTORE, "script: 10-start.sh", "script: 10-start.sh, roles: [worker]",
                     "role 'worker' is not one of the block's roles"),
    "certificate of a foreign role": (KVSTORE, "{authority: etcd, roles: [control]",
                                      "{authority: etcd, roles: [worker]",
                                      "role 'worker' is not one of the block's roles"),
    "placeholder in a subject": (KVSTORE, "/CN={node}", "/CN={name}", "only {node} may stand"),
    "server without names": (KVSTORE, "names: [node, localhost]", "names: []",
                             "needs 'names'"),
    "missing base file": (RUNTIME, "file: box.toml", "file: no.toml", "no.toml is missing"),
    "port without number": (KVSTORE, "port: '{port}', ", "", "ports[0].port is missing"),
    "VRRP with a port": (KVSTORE, "protocol: tcp", "protocol: vrrp",
                         "ports[0].port must be empty"),
    "input of no role": (KVSTORE, "inputs: [MEMBERS]", "inputs: [MEMBERS@both]",
                         "must be NAME or NAME@ROLE"),
    "patch of nothing": (DOCKER, "  agent: {socket", "  agnet: {socket",
                         "did you mean 'agent'?"),
    # The description against the scripts.
    "output that nobody writes": (KVSTORE, "outputs: {health: what it says}",
                                  "outputs: {health: what it says, more: than it writes}",
                                  "10-start.sh does not write output 'more'"),
    "output that nobody declares": (KVSTORE, "outputs: {health: what it says}, ", "",
                                    "output 'health' is not declared"),
    "input that the script does not use": (START, "$MEMBERS", "x",
                                           "10-start.sh does not use the input MEMBERS"),
    "input that the step does not take": (START, "$MEMBERS", "$MEMBERS ${MORE:-}",
                                          "uses MORE, which is not an input of step 'start'"),
    "file of an input nobody takes": (START, "echo", 'cat "$(input_file MORE)"; echo',
                                      "uses MORE, which is not an input"),
    "script without strictness": (START, "set -euo pipefail\n", "", "does not begin as every step"),
    "script without comment": (START, "# what the step does\n", "", "does not begin as every step"),
    "script without a sentence": (START, 'echo "Done."', "true", "sentence for people"),
    "template in a script": (START, "$MEMBERS", "$MEMBERS {{ members }}", "looks like a template"),
    "Heat's index in a script": (START, "$MEMBERS", "$MEMBERS %index%", "looks like a template"),
    # The block in the house.
    "reference to nothing": (KVSTORE, "control_plane.addresses", "control_plane.adresses",
                             "'control_plane.adresses' is not a source of inputs"),
    "capability of nobody": (KVSTORE, "requires: [trust, store-volume]", "requires: [magic]",
                             "requires 'magic', which no step provides"),
    "steps in a circle": (TRUST, "requires: [agent]", "requires: [trust]",
                          "steps wait for each other"),
    "condition of nothing": (TRUST, "control_plane.count:", "control_plane.cuont:",
                             "'control_plane.cuont' is not a source of inputs"),
    "condition of Heat's": (TRUST, "when: {control_plane.count:", "when: {servers.names:",
                            "a condition cannot ask it"),
    "role's old word": (TRUST, "requests@all, description", "requests@worker, description",
                        "with @all or @control"),
    "capability of nobody in a group": (DOCKER, "requires: [agent]", "requires: [magic]",
                                      "requires 'magic', which no step provides"),
    "fact of nothing": (KVSTORE, "port: {from: options.port}", "port: {from: options.door}",
                        "no option 'door'"),
    "port of an unknown option": (KVSTORE, "port: '{port}'", "port: '{door}'",
                                  "names an option that is not there"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_faults(name: str) -> None:
    """Each fault is told."""
    path, old, new, message = FAULTS[name]
    files = tiny.tree()
    assert old.encode() in files[path]
    files[path] = files[path].replace(old.encode(), new.encode(), 1)
    assert message in lint(files)


def test_script_that_is_missing() -> None:
    """A step's script must be there."""
    files = tiny.tree()
    del files[START]
    assert "the file 10-start.sh is missing" in lint(files)


def test_file_that_nobody_uses() -> None:
    """A forgotten file is told, but not a block's README."""
    files = tiny.tree()
    files["blocks/kvstore/etcd/old.service"] = b""
    files["blocks/kvstore/etcd/README.rst"] = b"A store.\n"
    assert lint(files) == "hot/blocks/kvstore/etcd/old.service: error: nothing uses this file"


def test_script_that_cannot_run() -> None:
    """A script's mode is told with the command that sets it."""
    files = tiny.tree()
    assert "chmod +x hot/trust/30-install.sh" in lint(files, tiny.executables(files) - {
        "hot/trust/30-install.sh"
    })  # fmt: skip


def test_missing_library() -> None:
    """Without the library there is no house."""
    files = tiny.tree()
    del files["lib/step.sh"]
    assert "hot/lib/step.sh: error: is missing" in lint(files)


def test_missing_part_of_the_library() -> None:
    """A part that the library sources has to be there as well."""
    files = tiny.tree()
    files["lib/step.sh"] += b'# shellcheck source=hot/lib/a.sh\nsource "$HEATGEN_LIB/a.sh"\n'
    assert "hot/lib/a.sh: error: is missing" in lint(files)


def test_place_in_a_script() -> None:
    """A fault in a script is quoted from the script."""
    files = tiny.tree()
    files[START] = files[START].replace(b"$MEMBERS", b"$MORE")
    said = lint(files)
    assert "hot/blocks/kvstore/etcd/10-start.sh:7:8: error: uses MORE" in said
    assert '7 | echo "$MORE"\n     |        ^^^^' in said


def test_options_of_programs() -> None:
    """A program's own --output is no output of the step."""
    files = tiny.tree()
    files[START] = files[START].replace(b'echo "$MEMBERS', b'ps --output pid; echo "$MEMBERS')
    assert lint(files) == ""


def test_names_put_together() -> None:
    """An input may be named by its beginning, where the script puts the rest together."""
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
    assert lint(files) == ""
