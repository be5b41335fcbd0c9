# SPDX-License-Identifier: Apache-2.0
"""Exit status and messages of ``python -m cloudring``, and what it reads from a cloud."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloudring import __main__ as program
from cloudring import cloud as openstack
from cloudring.commands import Commands
from cloudring.options import Options, Target, UsageError
from cloudring.report import Action
from cloudring.ring import Ring
from heatgen.cloud import connection, preflight, stack
from heatgen.cloud.connection import Cloud
from heatgen.plan.cloud_requirements import CloudRequirements, CloudState
from tests.golden.cases import CASES
from tests.unit.heatgen.support.fake_cloud import isolated

OPTIONS = ["--image", "debian-12=bookworm", "--access", "192.0.2.0/24"]
GIVEN = ["--flavor", "m1", "--external-network", "out", "--ssh-key", "key"]
FLAVOR = {"vcpus": 2, "ram": 4096, "disk": 20}


def item(name: str, **values: Any) -> SimpleNamespace:
    """Return an object of openstacksdk."""
    return SimpleNamespace(id=f"id-{name}", name=name, **values)


def listing(found: list[Any]) -> Callable[..., list[Any]]:
    """Return a request that lists resources."""
    return lambda **_: found


def sdk(**network: Any) -> Any:
    """Return a connection of openstacksdk without resources, but for those of Neutron."""
    kinds = ("ports", "ips", "routers", "networks", "security_groups")
    services = {kind: listing(network.get(kind, [])) for kind in kinds}
    return SimpleNamespace(
        authorize=lambda: "token",
        compute=SimpleNamespace(servers=list, server_groups=list, keypairs=lambda: [item("key")],
                                flavors=lambda details: [item("m1", **FLAVOR)]),
        network=SimpleNamespace(**services),
        image=SimpleNamespace(find_image=lambda *_, **__: item("x", min_disk=10, min_ram=0)),
    )  # fmt: skip


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Connect to a cloud that has everything; the state may be changed."""
    isolated(tmp_path, monkeypatch)
    state: dict[str, Any] = {
        "images": {"bookworm": {"status": "active", "min_disk": 2, "min_ram": 0}},
        "flavors": {"m1": FLAVOR},
    }

    def read(_: object, needed: CloudRequirements) -> CloudState:
        return CloudState(**state)

    def heatgen(self: Commands, *words: str, **_: Any) -> int:
        if words[0] == "lock":
            shutil.copy(CASES / "minimal" / "cluster.lock.yaml", self.directory)
        return 0

    monkeypatch.setattr(connection, "connect", lambda *_: Cloud(sdk()))
    monkeypatch.setattr(preflight, "read_state", read)
    monkeypatch.setattr(Commands, "heatgen", heatgen)
    monkeypatch.setattr(Ring, "run", finish)
    return state


def finish(self: Ring) -> None:
    """Record that the cluster was created."""
    self.result.create_seconds = 1.0
    self.result.actions.append(Action("create", "passed", 1.0))


def test_report_is_written(fake: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """The report, its page and the record are written; the values come from the plan."""
    assert program.main([*OPTIONS, *GIVEN]) == program.FAILED  # the suite did not run
    plain = json.loads(Path("cloud-ring/report.json").read_text())
    assert plain["systems"][0]["user_data_bytes"] > 1000
    assert plain["systems"][0]["verdict"] == "incomplete"
    assert "bookworm" in Path("cloud-ring/report.html").read_text()
    record = json.loads(Path("cloud-ring/support/debian-12-cloud.json").read_text())
    assert (record["verdict"], record["proven"]) == ("incomplete", ["create"])
    (directory,) = Path("cloud-ring").glob("ring-debian-12-*")
    assert "bookworm" in (directory / "cluster.yaml").read_text()
    assert "debian-12: incomplete" in capsys.readouterr().out


def test_unknown_image(fake: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown image is reported before anything is created."""
    fake["images"] = {"bookworm": None}
    assert program.main([*OPTIONS, *GIVEN]) == program.LACKING
    err = capsys.readouterr().err
    assert "error[requirement-not-met]: debian-12: image: required bookworm, found none" in err
    assert "hint: see 'openstack image list'" in err
    assert not Path("cloud-ring/report.json").exists()


def test_quota_of_parallel_clusters(fake: dict[str, Any]) -> None:
    """The quota must suffice for the clusters that exist at the same time."""
    two = [*OPTIONS, *GIVEN, "--image", "debian-13=bookworm"]
    fake["quotas"] = {"servers": (0, 3)}
    assert program.main(two) == program.FAILED
    for more in (["--parallel", "2"], ["--keep"]):
        assert program.main([*two, *more, "--output", f"out{more[0]}"]) == program.LACKING


def test_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without OS_CLOUD and OS_*, and with an unknown entry, the exit status is 2."""
    isolated(tmp_path, monkeypatch)
    assert program.main(OPTIONS) == program.INVALID
    assert "error[no-credentials]" in capsys.readouterr().err
    assert program.main([*OPTIONS, "--os-cloud", "nowhere"]) == program.INVALID
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--image", "nothing=x"], "unknown system"),
        ([*OPTIONS, "--cluster", "missing.yaml"], "--cluster missing.yaml"),
        (OPTIONS[:2] + GIVEN, "--access"),
        (OPTIONS, "no external network"),
    ],
)
def test_invalid_options(
    words: list[str], part: str, fake: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Invalid options and choices that are not clear are errors with exit status 2."""
    assert program.main(words) == program.INVALID
    assert part in capsys.readouterr().err


def test_invalid_cluster(fake: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """A part of cluster.yaml that is not valid is an error with its place."""
    Path("site.yaml").write_text("cloud: {flavour: x}\n")
    assert program.main([*OPTIONS, *GIVEN, "--cluster", "site.yaml"]) == program.INVALID
    assert "flavour" in capsys.readouterr().err
    Path("site.yaml").write_text("- a\n")
    assert program.main([*OPTIONS, *GIVEN, "--cluster", "site.yaml"]) == program.INVALID


def test_defaults() -> None:
    """Values are read from the cloud, but not what the user or a part of the file sets."""
    cloud = Cloud(sdk(networks=[item("out", is_default=False)]))
    options = Options(targets=(Target("debian-12", "debian", "x"),))
    found = openstack.defaults(cloud, options, [])
    assert (found.flavor, found.external_network, found.ssh_key) == ("m1", "out", "key")
    found = openstack.defaults(cloud, options, ["flavor", "external_network", "ssh_key"])
    assert (found.flavor, found.external_network, found.ssh_key) == ("", "", "")


def test_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resources of the stack are found by id, others of the cluster by name."""
    monkeypatch.setattr(Cloud, "has", lambda *_: False)
    monkeypatch.setattr(openstack, "exists", lambda *_: False)
    cloud = Cloud(sdk(ports=[item("p"), item("q")], networks=[item("ring-1-net"), item("ring-12")]))
    assert openstack.left("ring-1", {"id-q"}, cloud) == ["port q", "network ring-1-net"]
    monkeypatch.setattr(openstack, "exists", lambda *_: True)
    assert openstack.left("ring-2", (), cloud) == ["stack ring-2"]


def test_reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server with the node's address is restarted; Nova's failure is an error."""
    monkeypatch.setattr(openstack, "_PAUSE", 0)
    monkeypatch.setattr(stack, "get", lambda *_, **__: None)
    servers = [SimpleNamespace(identity="s", address="192.0.2.1")]
    monkeypatch.setattr(stack, "servers", lambda *_: servers)
    done: list[tuple[str, str]] = []
    states = iter(["REBOOT", "ACTIVE", "ERROR"])
    compute = SimpleNamespace(
        reboot_server=lambda *words: done.append(words),
        get_server=lambda _: SimpleNamespace(status=next(states)),
    )
    cloud = Cloud(SimpleNamespace(compute=compute))
    openstack.reboot("192.0.2.1", "ring-1", cloud, 60)
    assert done == [("s", "SOFT")]
    with pytest.raises(TimeoutError, match="ERROR"):
        openstack.reboot("192.0.2.1", "ring-1", cloud, 60)
    with pytest.raises(UsageError, match="no server"):
        openstack.reboot("192.0.2.9", "ring-1", cloud, 60)
