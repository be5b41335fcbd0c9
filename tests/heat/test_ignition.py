# SPDX-License-Identifier: Apache-2.0
"""User data for Ignition, as Heat changes it: Ignition accepts it and writes what is wanted."""

import base64
import copy
import gzip
import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from heat.engine import stack
from heat.engine.clients.os import nova

from heatgen.blocks.boot import CREDENTIALS, IGNITION, PRESET, PYTHON, SHELL, UNIT_PATH, Boot
from heatgen.plan.build import build_plan
from heatgen.plan.model import Plan
from heatgen.project import block_loader
from heatgen.render import heat_limits, ignition
from heatgen.render.ignition import DropIn, File, Link, Unit
from heatgen.render.template import render
from heatgen.spec.block_selection import group_blocks, placeholder_pins, used_blocks
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document, writer

from . import engine, matrix
from .test_userdata import MAX_BASE64, METADATA

CATALOG = block_loader.installed()
SCHEMA = block_loader.schema("cluster")

MakeStack = Callable[[dict[str, Any]], stack.Stack]

BOOTS = {
    name: block.boot for (_, name), block in CATALOG.blocks.items() if block.boot.by == IGNITION
}
COREOS = BOOTS["fedora-coreos"]

# Versions of the format and the programs that read them: Ignition 2.14 reads up to 3.3.0.
READ = [
    (program, f"3.{minor}.0")
    for program in engine.validators()
    for minor in range(1, 4 if program == engine.VALIDATE else 6)
]

AGENT_UNIT = "[Service]\nExecStart=/opt/heatgen/agent/heatgen-agent\n"

# Characters with a meaning in JSON, Heat's functions, URLs, shells or systemd.
HOSTILE = [
    'a "quoted" \\ text\n',
    "two\nlines\r\n\tand a tab",
    "%index% %23 %%s {get_param: x} ${HOME} $(reboot) {{x}}",
    "Zertifikat für Ämter, 証明書, \U0001f512",
    "</script>\u2028\x7f",
    '{"ignition": {"version": "2.0.0"}}',
    "#cloud-config\nruncmd: [reboot]\n",
    "",
]


def of_heat(text: str, metadata: Any = METADATA) -> str:
    """Return user data as sent to Nova."""
    plugin = nova.NovaClientPlugin.__new__(nova.NovaClientPlugin)
    return str(plugin.build_userdata(metadata, text, user_data_format="SOFTWARE_CONFIG"))


def planned(boot: Boot, **site: Any) -> Plan:
    """Return the plan of a cluster whose os block has this data."""
    catalog = CATALOG
    block = replace(catalog.blocks["os", "debian"], boot=boot)
    catalog = replace(catalog, blocks={**catalog.blocks, ("os", "debian"): block})
    text = writer.dump({**matrix.BASE, "site": site}).encode()
    spec = read_spec(document.parse("cluster.yaml", text), catalog, SCHEMA)
    used = used_blocks(group_blocks(spec, catalog))
    return build_plan(spec, catalog, placeholder_pins(used, spec), "")


@pytest.fixture(scope="module", params=sorted(BOOTS))
def plan(request: pytest.FixtureRequest) -> Plan:
    """Return a plan for each system that starts with Ignition."""
    return planned(BOOTS[request.param], ca_certificates=matrix.PEM + matrix.PEM)


def rendered(plan: Plan) -> dict[str, Any]:
    """Return the template of a plan."""
    return copy.deepcopy(render(plan).as_dict())


def user_data(plan: Plan) -> str:
    """Return the user data in the template of a plan."""
    return str(rendered(plan)["resources"]["agent"]["properties"]["config"])


def test_heat_accepts_the_template(plan: Plan, make_stack: MakeStack) -> None:
    """Heat's validation accepts a template with user data for Ignition, and keeps the text."""
    template = rendered(plan)
    of = make_stack(template)
    of.validate()
    assert of["agent"].properties["config"] == user_data(plan)


def test_user_data_by_group(plan: Plan, make_stack: MakeStack) -> None:
    """A group whose servers start in another way has its own user data."""
    boots = {**plan.boots, "control": Boot(system="debian")}
    template = rendered(replace(plan, boots=boots))
    resources = template["resources"]
    worker = resources["workers"]["properties"]["resource_def"]["properties"]
    name = f"agent_{plan.boots['worker'].system.replace('-', '_')}"
    assert worker["user_data"] == {"get_resource": name}
    assert resources["control_0"]["properties"]["user_data"] == {"get_resource": "agent"}
    assert resources["agent"]["properties"]["config"].startswith("#cloud-boothook\n")
    assert resources[name]["properties"]["config"] == user_data(plan)
    make_stack(template).validate()


@pytest.mark.parametrize("program", engine.validators(), ids=str)
def test_ignition_accepts(plan: Plan, program: Path) -> None:
    """Ignition accepts the user data without a warning, and with Heat's two files."""
    text = user_data(plan)
    own = engine.validate(program, text)
    assert (own.returncode, own.stdout + own.stderr) == (0, "")
    sent = engine.validate(program, of_heat(text))
    warnings = (sent.stdout + sent.stderr).splitlines()
    assert sent.returncode == 0
    assert len(warnings) == 2
    assert all("nused key filesystem" in line for line in warnings)


@pytest.mark.parametrize(("program", "version"), READ, ids=str)
def test_versions(plan: Plan, program: Path, version: str) -> None:
    """All that is used exists since 3.1.0 (SHA-256), and later versions accept it, too."""
    config = json.loads(user_data(plan))
    assert config["ignition"]["version"] == "3.3.0"
    config["ignition"]["version"] = version
    result = engine.validate(program, of_heat(json.dumps(config)))
    assert result.returncode == 0


@pytest.mark.parametrize("version", ["2.3.0", "3.0.0", "3.4.0", "4.0.0"])
def test_other_versions(plan: Plan, version: str) -> None:
    """Debian's Ignition rejects these versions, so the test above can fail."""
    config = json.loads(user_data(plan))
    config["ignition"]["version"] = version
    assert engine.validate(engine.VALIDATE, json.dumps(config)).returncode != 0


@pytest.mark.parametrize("path", [*CREDENTIALS, PRESET])
def test_files_of_heat(path: str) -> None:
    """A file that Heat or Ignition writes itself is an error: Ignition stops at duplicates."""
    with pytest.raises(ValueError, match="itself"):
        ignition.ignition([File(path, "x")])
    if path in CREDENTIALS:
        text = ignition.ignition([File("/other", "x")]).replace("/other", path)
        assert engine.validate(engine.VALIDATE, text).returncode == 0
        assert engine.validate(engine.VALIDATE, of_heat(text)).returncode != 0


def wanted(plan: Plan) -> dict[str, tuple[int, str]]:
    """Return the files that must exist: path to mode and text."""
    boot = plan.boots["control"]
    unit = plan.agent_unit.replace("/opt/heatgen/agent/heatgen-agent", boot.agent_path)
    files = {boot.agent_path: (0o755, plan.agents[SHELL]), UNIT_PATH: (0o644, unit)}
    files |= {f"{boot.trust}/heatgen-{number}.pem": (0o644, matrix.PEM) for number in (1, 2)}
    files |= {path: (0o644, text) for path, text in boot.files.items()}
    if boot.trust_command:
        text = f"[Service]\nExecStartPre=-{boot.trust_command}\n"
        files |= {f"{UNIT_PATH}.d/10-trust.conf": (0o644, text)}
    files |= {path: (0o640, json.dumps(METADATA)) for path in CREDENTIALS}
    return files | {PRESET: (0o644, "enable heatgen-agent.service\n")}


def test_files_on_disk(plan: Plan, tmp_path: Path) -> None:
    """The real engine writes exactly the wanted files, modes, links, masks and the preset."""
    boot = plan.boots["control"]
    root, result = engine.start(tmp_path, of_heat(user_data(plan)))
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    ours = {"/etc/passwd", "/etc/group", "/etc/selinux/config", "/etc/.ignition-result.json"}
    found: dict[str, tuple[int, str]] = {}
    links: dict[str, str] = {}
    for path in (item for item in root.rglob("*") if item.is_symlink() or item.is_file()):
        name = f"/{path.relative_to(root)}"
        if path.is_symlink():
            links[name] = str(path.readlink())
        elif name not in ours:
            found[name] = (stat.S_IMODE(path.stat().st_mode), path.read_text())
    assert found == wanted(plan)
    assert links == {**boot.links, **{f"/etc/systemd/system/{x}": "/dev/null" for x in boot.mask}}
    # What it created is labeled: a whole new folder, or the file.
    labels = engine.labeled(tmp_path)
    assert all(
        any(name == label or name.startswith(f"{label}/") for label in labels) for name in found
    )


def test_existing_files_are_replaced(tmp_path: Path) -> None:
    """A file, link or unit of the image does not stop the first start."""
    old = tmp_path / "root/etc/flatcar/update.conf"
    old.parent.mkdir(parents=True)
    old.write_text("GROUP=stable\n")
    link = tmp_path / "root/etc/systemd/system/docker.service"
    link.parent.mkdir(parents=True)
    link.symlink_to("/usr/lib/systemd/system/docker.service")
    text = ignition.ignition(
        [File("/etc/flatcar/update.conf", "new\n", 0o600)],
        [Link("/etc/x", "flatcar")],
        [Unit("docker.service", mask=True), Unit("x.service", "[Service]\nExecStart=/x\n")],
    )
    root, result = engine.start(tmp_path, of_heat(text))
    assert result.returncode == 0, result.stdout[-3000:]
    assert old.read_text() == "new\n"
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    assert str(link.readlink()) == "/dev/null"
    assert str((root / "etc/x").readlink()) == "flatcar"


def test_hostile_values_on_disk(tmp_path: Path) -> None:
    """Any text, and any character in a path, arrives on the disk unchanged."""
    files = [File(f"/h/{number}", text) for number, text in enumerate(HOSTILE)]
    files += [
        File('/h/a "quoted" \\ name', "1", 0o755), File("/h/%index%", "2"),
        File("/h/ünï 証", "3"), File("/h/100% 'x' $(y)", "4"),
    ]  # fmt: skip
    drop_in = DropIn("90-x.conf", '[Service]\nEnvironment="A=%index% ä"\n')
    text = ignition.ignition(files, units=[Unit("a@.service", "é\n", drop_ins=(drop_in,))])
    metadata = {"a": HOSTILE, "deployments": []}
    root, result = engine.start(tmp_path, of_heat(text, metadata))
    assert result.returncode == 0, result.stdout[-3000:]
    for file in files:
        assert (root / file.path[1:]).read_bytes() == file.content.encode()
        assert stat.S_IMODE((root / file.path[1:]).stat().st_mode) == file.mode
    folder = root / "etc/systemd/system"
    assert (folder / "a@.service").read_text() == "é\n"
    assert (folder / "a@.service.d/90-x.conf").read_text() == drop_in.content
    assert json.loads((root / CREDENTIALS[0][1:]).read_text()) == metadata


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_certificates(text: str) -> None:
    """The text of a certificate cannot change the JSON, nor contain anything that Heat replaces."""
    data = ignition.user_data(COREOS, text, AGENT_UNIT, [text, text + "\n"])
    assert "%" not in data
    assert data.isascii()
    assert "\n" not in data
    files = {item["path"]: item for item in json.loads(of_heat(data))["storage"]["files"]}
    source = files[f"{COREOS.trust}/heatgen-1.pem"]["contents"]["source"]
    assert gzip.decompress(base64.b64decode(source.partition(",")[2])).decode() == text
    assert json.loads(of_heat(data, {"x": text}))["ignition"] == {"version": "3.3.0"}


def test_wrong_content_stops(tmp_path: Path) -> None:
    """Ignition verifies the hash, so that a damaged file never starts a server."""
    config = json.loads(ignition.ignition([File("/a", "x")]))
    config["storage"]["files"][0]["contents"]["verification"]["hash"] = f"sha256-{'0' * 64}"
    _, result = engine.start(tmp_path, json.dumps(config))
    assert result.returncode != 0
    assert "hash" in result.stdout


def test_mime_stops(tmp_path: Path) -> None:
    """What Heat makes of broken JSON is no configuration: the reason for the tests above."""
    _, result = engine.start(tmp_path, of_heat('{"ignition": '))
    assert result.returncode != 0


@pytest.mark.parametrize("program", [PYTHON, SHELL])
def test_size(program: str) -> None:
    """With both agents, Heat's files and long metadata, more than a third of the limit is free."""
    plan = planned(replace(COREOS, agent=program), ca_certificates=matrix.PEM)
    encoded = base64.b64encode(of_heat(user_data(plan)).encode())
    assert len(encoded) < MAX_BASE64 * 0.65
    assert plan.agents[program]


def test_room_for_heat(plan: Plan) -> None:
    """The check of the limit counts at least what is sent to Nova, and not much more."""
    usage = heat_limits.usage(plan, rendered(plan))[-1]
    assert usage.what == "bytes of user data"
    assert len(of_heat(user_data(plan))) < usage.used
    assert usage.used < len(of_heat(user_data(plan))) + 3000


def test_limit_is_exceeded_in_time() -> None:
    """A plan with too many certificates is over the limit before Nova would reject it."""
    for count in range(10, 80, 10):
        plan = planned(COREOS, ca_certificates=matrix.PEM * count)
        usage = heat_limits.usage(plan, rendered(plan))[-1]
        if usage.exceeded:
            break
        sent = base64.b64encode(of_heat(user_data(plan)).encode())
        assert len(sent) <= MAX_BASE64
    assert usage.exceeded
    assert usage.path == ("site", "ca_certificates")
