# SPDX-License-Identifier: Apache-2.0
"""Tests of ``boot`` in block.yaml: how the agent gets onto a server."""

import pytest

from heatgen.blocks import boot, catalog
from heatgen.blocks.boot import Boot
from heatgen.project import block_loader
from heatgen.yamlio.problems import Problem, ProblemsFound
from tests.unit.heatgen.support import tiny

OS = "blocks/os/debian/block.yaml"
IGNITION = """\
boot:
  by: ignition
  agent: shell
  agent_path: /opt/bin/agent
  trust: /etc/ssl/certs
  files: {/etc/a.conf: a.conf}
  links: {/etc/b: /dev/null}
  mask: [docker.service]
"""


def files(text: str, block: str = OS) -> dict[str, bytes]:
    """Return the minimal blocks, one of them with more keys."""
    tree = tiny.tree()
    return tree | {block: tree[block] + text.encode(), "blocks/os/debian/a.conf": b"text\n"}


def boot_of(text: str) -> Boot:
    """Return the boot data of the os block."""
    return catalog.build(files(text), block_loader.schema("block")).blocks["os", "debian"].boot


def problems_of(text: str, block: str = OS) -> list[Problem]:
    """Return the problems of a block with more keys."""
    with pytest.raises(ProblemsFound) as found:
        catalog.build(files(text, block), block_loader.schema("block"))
    return list(found.value.problems)


@pytest.mark.parametrize("text", ["", "boot: {by: cloud-init, agent: python}\n"])
def test_default(text: str) -> None:
    """Blocks start their servers with cloud-init and Python, also if they do not declare it."""
    assert boot_of(text) == Boot(system="debian")
    assert boot_of(text).agent_path == "/opt/heatgen/agent/heatgen-agent"


def test_ignition() -> None:
    """All data of a block is read, and files by their text."""
    assert boot_of(IGNITION) == Boot(
        system="debian",
        by="ignition",
        agent="shell",
        agent_path="/opt/bin/agent",
        trust="/etc/ssl/certs",
        files={"/etc/a.conf": "text\n"},
        links={"/etc/b": "/dev/null"},
        mask=("docker.service",),
    )


CHANGES = {
    ("by: ignition", "by: magic"): ("value-not-allowed", 2),
    ("agent: shell", "agent: perl"): ("value-not-allowed", 3),
    ("  agent_path: /opt/bin/agent\n", ""): ("missing-key", 1),
    ("  trust: /etc/ssl/certs\n", ""): ("missing-key", 1),
    ("trust: /etc/ssl/certs", "trust: ''"): ("invalid-boot", 5),
    ("/opt/bin/agent", "opt/bin/agent"): ("invalid-format", 4),
    ("/opt/bin/agent", "/opt/../agent"): ("invalid-format", 4),
    ("/opt/bin/agent", "/opt/%index%"): ("invalid-format", 4),
    ("/opt/bin/agent", "'/opt/a b'"): ("invalid-format", 4),
    ("/etc/a.conf: a", "/var/lib/cloud/data/cfn-init-data: a"): ("invalid-boot", 6),
    ("/etc/a.conf: a", "/etc/systemd/system/heatgen-agent.service: a"): ("invalid-boot", 6),
    ("/etc/a.conf: a", "/etc/ssl/certs/heatgen-1.pem: a"): ("invalid-boot", 6),
    ("/etc/a.conf: a", "/etc/b/c: a"): ("invalid-boot", 7),
    ("/etc/a.conf: a.conf", "/etc/a.conf: b.conf"): ("missing-block-file", 6),
    ("/etc/b: ", "/etc/a.conf: "): ("invalid-boot", 7),
    ("/etc/b: ", "/etc/systemd/system/docker.service: "): ("invalid-boot", 8),
    ("docker.service", "docker"): ("invalid-format", 8),
    ("docker.service", "../docker.service"): ("invalid-format", 8),
    ("docker.service", "heatgen-agent.service"): ("invalid-boot", 8),
}


@pytest.mark.parametrize("change", CHANGES, ids=" to ".join)
def test_invalid(change: tuple[str, str]) -> None:
    """What Ignition could not write is reported with its place."""
    assert change[0] in IGNITION
    (problem,) = problems_of(IGNITION.replace(*change))
    code, line = CHANGES[change]
    before = tiny.tree()[OS].decode().count("\n")
    assert problem.position is not None
    assert (problem.code, problem.position.line - before) == (code, line)


@pytest.mark.parametrize(
    "key",
    [
        "agent_path: /opt/a",
        "trust: /a",
        "trust_command: /a",
        "files: {/a: a.conf}",
        "links: {/a: /b}",
        "mask: [a.service]",
    ],
)
def test_only_with_ignition(key: str) -> None:
    """With cloud-init, the first step can do what these keys do."""
    (problem,) = problems_of(f"boot:\n  by: cloud-init\n  agent: python\n  {key}\n")
    assert problem.code == "invalid-boot"


def test_other_layers() -> None:
    """Only blocks of the layer os start servers."""
    (problem,) = problems_of(IGNITION, "blocks/runtime/containerd/block.yaml")
    assert problem.code == "invalid-boot"


@pytest.mark.parametrize("path", ["/c", "/a/b-c", "/%", "/ä"])
def test_usable_paths(path: str) -> None:
    """Ignition can write any other path, next to others in the same folder."""
    assert boot.refused(path, ["/x", "/a/b", f"{path}x"]) == ""
