# SPDX-License-Identifier: Apache-2.0
"""The example of doc/how-to/use-terraform.rst: OpenTofu creates, changes and deletes a cluster."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.artifacts import command
from lab.artifacts.recipes import load_component
from lab.harness import controller, health, small_cluster, tofu
from lab.harness.figures import Figure
from lab.harness.tofu import Tofu
from tests import shown

pytestmark = [pytest.mark.usefixtures("cloud"), pytest.mark.long]

DOCUMENT = "doc/how-to/use-terraform.rst"
NAME = "terraform"
OLD, NEW = (
    load_component(command.FOLDER / "components" / name).version
    for name in ("kubernetes-previous", "kubernetes")
)
KINDS = ("server", "port", "network", "router", "security group", "floating ip", "volume")


def resources() -> dict[str, set[str]]:
    """Return the ids of all resources of the project, by kind, and of its stacks."""
    found = {}
    for kind in KINDS:
        # A cloud without volumes has no such command.
        listed = controller.inside("openstack", *kind.split(), "list", "-f", "json", check=False)
        found[kind] = {str(each["ID"]) for each in json.loads(listed or b"[]")}
    stacks = json.loads(controller.inside("openstack", "stack", "list", "-f", "json"))
    return {**found, "stack": {each["ID"] for each in stacks}}


def versions(config: Path) -> list[str]:
    """Return the version of the kubelet of each node that is Ready."""
    words = ["kubectl", "--kubeconfig", str(config), "get", "nodes", "-o", "json"]
    nodes = json.loads(controller.inside(*words))["items"]
    return [
        node["status"]["nodeInfo"]["kubeletVersion"]
        for node in nodes
        for condition in node["status"]["conditions"]
        if (condition["type"], condition["status"]) == ("Ready", "True")
    ]


def assert_no_secrets(directory: Path) -> None:
    """Check that no private key is in the state, its backup or the template."""
    key = (directory / "cluster.admin.key").read_text()
    config = directory / "kubeconfig"
    assert config.stat().st_mode & 0o777 == 0o600
    assert "client-key-data" in config.read_text()
    for name in ("terraform.tfstate", "terraform.tfstate.backup", "generated.yaml"):
        if (file := directory / name).exists():
            text = file.read_text()
            assert "PRIVATE KEY" not in text
            assert "client-key-data" not in text
            assert not [line for line in key.splitlines()[1:-1] if line in text]


def written(directory: Path, version: str) -> None:
    """Write, lock and render the cluster with a version of Kubernetes."""
    small_cluster.write(directory, {"orchestration": {"version": version}})
    small_cluster.render(directory)


def run_shown(directory: Path) -> None:
    """Run the commands in the document, except for those of OpenTofu; nothing may differ."""
    for command_line in shown.runnable(DOCUMENT):
        words = re.sub(r"\bdemo\b", NAME, command_line)
        controller.inside("bash", "-c", words, directory=directory)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Tofu]:
    """Return OpenTofu in a directory with the example and an initial template."""
    options = ["--out", str(controller.STATE), "--components", "kubernetes-previous"]
    assert command.main(options) == 0
    ready = tofu.prepare(tmp_path)
    written(tmp_path, OLD)
    controller.delete(NAME)
    try:
        yield ready
    finally:
        controller.delete(NAME)


def test_life_of_a_cluster(example: Tofu, report: Figure) -> None:
    """Create, scale, update and destroy; after each step, a plan has no changes."""
    config = example.directory / "kubeconfig"
    name = f"-var=name={NAME}"
    more = '-var=parameters={worker_count="2"}'
    before = resources()
    example.run("init", "-input=false")
    example.run("fmt", "-check", "-diff")
    example.run("validate")

    def changed(what: str, *words: str) -> list[str]:
        began = time.monotonic()
        example.apply(name, *words)
        report(f"OpenTofu: {what}, seconds", round(time.monotonic() - began))
        example.assert_no_drift(name, *words)
        assert_no_secrets(example.directory)
        return versions(config)

    assert changed("create") == [f"v{OLD}"] * 2
    servers = resources()["server"] - before["server"]
    assert changed("one worker more", more) == [f"v{OLD}"] * 3
    written(example.directory, NEW)
    # Exit code 4: something changes, and nothing is lost.
    preview = f"heatgen diff {NAME} cluster.yaml --no-existing --parameter worker_count=2"
    controller.inside("bash", "-c", f"{preview}; test $? = 4", directory=example.directory)
    assert changed("update", more) == [f"v{NEW}"] * 3
    assert servers < resources()["server"]
    health.run_suite(NAME, example.directory)
    assert changed("one worker less") == [f"v{NEW}"] * 2
    assert resources()["server"] - before["server"] == servers
    run_shown(example.directory)

    example.run("destroy", "-auto-approve", "-input=false", name)
    assert example.state()["resources"] == []
    assert not config.exists()
    assert controller.stack_status(NAME) == "absent"
    assert resources() == before
