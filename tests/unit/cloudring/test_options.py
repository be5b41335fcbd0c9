# SPDX-License-Identifier: Apache-2.0
"""Command line and environment of the cloud ring."""

from pathlib import Path

import pytest

from cloudring import options
from tests.unit.heatgen.support.others import REAL

IMAGE = ["--image", "debian-12=bookworm"]


def parse(*words: str, **environment: str) -> options.Options:
    """Parse options with the real catalog."""
    variables = {f"HEATGEN_CLOUD_{name}": value for name, value in environment.items()}
    return options.parse(words, variables, REAL)


def test_systems_and_blocks() -> None:
    """A system of the matrix selects its block; the name of a block is accepted, too."""
    found = parse(*IMAGE, "--image", "flatcar=flatcar=stable").targets
    assert found[0] == options.Target("debian-12", "debian", "bookworm")
    assert found[1] == options.Target("flatcar", "flatcar", "flatcar=stable")
    assert parse("--image", "ubuntu=noble").targets[0].block == "ubuntu"


def test_environment() -> None:
    """Variables are the defaults of options; options take precedence."""
    given = {"IMAGES": "debian-12=a ubuntu-24.04=b", "ACCESS": "192.0.2.0/24 198.51.100.0/24",
             "FLAVOR": "big", "EXTERNAL_NETWORK": "out", "SSH_KEY": "me",
             "CLUSTER": "site.yaml ubuntu-24.04=u.yaml"}  # fmt: skip
    found = parse(**given)
    assert [target.image for target in found.targets] == ["a", "b"]
    assert found.access == ("192.0.2.0/24", "198.51.100.0/24")
    assert (found.flavor, found.external_network, found.ssh_key) == ("big", "out", "me")
    assert found.fragments == (("", Path("site.yaml")), ("ubuntu-24.04", Path("u.yaml")))
    own = parse(*IMAGE, "--flavor", "small", "--access", "203.0.113.0/24", FLAVOR="big", IMAGES="x")
    assert (own.flavor, own.access, len(own.targets)) == ("small", ("203.0.113.0/24",), 1)


def test_limits() -> None:
    """Every action has a time limit."""
    found = parse(*IMAGE, "--create-minutes", "90", "--skip", "cpu", "--skip", "rollback")
    assert (found.limit("create"), found.limit("suite")) == (5400, 1200)
    assert found.skip == {"cpu", "rollback"}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "HEATGEN_CLOUD_IMAGES"),
        (["--image", "debian"], "SYSTEM=IMAGE"),
        (["--image", "debian-12="], "SYSTEM=IMAGE"),
        (["--image", "talos=x"], "unknown system 'talos'"),
        ([*IMAGE, *IMAGE], "twice"),
        ([*IMAGE, "--parallel", "0"], "--parallel"),
        ([*IMAGE, "--ring", "moon"], "--ring: use one of sandbox"),
        ([*IMAGE, "--cluster", "flatcar=x.yaml"], "no --image of system 'flatcar'"),
    ],
)
def test_invalid_options(words: list[str], part: str) -> None:
    """Invalid options are reported with what to do."""
    with pytest.raises(options.UsageError, match=part):
        parse(*words)


@pytest.mark.parametrize("words", [["--suite-minutes", "0"], ["--skip", "create"], ["--unknown"]])
def test_usage(words: list[str]) -> None:
    """Argparse reports other errors, with exit status 2."""
    with pytest.raises(SystemExit) as found:
        parse(*IMAGE, *words)
    assert found.value.code == 2


def test_stack_names() -> None:
    """Names of stacks are valid names of clusters."""
    target = options.Target("ubuntu-24.04", "ubuntu", "x")
    assert options.stack_name(target, "1234") == "ring-ubuntu-24-04-1234"
