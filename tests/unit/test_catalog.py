# SPDX-License-Identifier: Apache-2.0
"""What the field names: blocks, others' blocks, and what is none, with the reason."""

import csv
import io
import json
import stat
from pathlib import Path

import pytest

from heatgen.authoring import lint, scaffold
from heatgen.blocks import catalog, unsupported
from heatgen.cli.main import main
from heatgen.layers import LAYERS
from heatgen.project import block_loader
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from heatgen.yamlio.problems import ProblemsFound, report

from . import tiny

FIELD = {
    "os": "debian fedora-coreos flatcar ubuntu atomic-host coreos snappy boot2docker rancheros",
    "runtime": "containerd docker garden lxd rkt",
    "kvstore": "etcd consul doozer zookeeper",
    "network": "flannel pipework socketplane weave",
    "orchestration": "kubernetes fleet mesos",
}
"""All that people ask for, by layer."""
CASE = Path(__file__).resolve().parents[1] / "golden" / "cases" / "minimal"
REAL = block_loader.installed()


@pytest.fixture(autouse=True)
def no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of the machine's user are not asked for."""
    monkeypatch.delenv(block_loader.PATH_VARIABLE, raising=False)


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a block of somebody else, which HEATGEN_PATH names."""
    write_block(tmp_path / "others", "runtime", "box")
    monkeypatch.setenv(block_loader.PATH_VARIABLE, str(tmp_path / "others"))
    return tmp_path / "others"


def write_block(root: Path, layer: str, name: str) -> Path:
    """A new block in a folder of blocks."""
    folder = root / layer / name
    folder.mkdir(parents=True)
    for file, text in scaffold.files(REAL, layer, name).items():
        (folder / file).write_text(text)
        (folder / file).chmod(0o755)
    return folder


def refused(text: str, blocks: catalog.Catalog = REAL) -> str:
    """The report of a cluster.yaml."""
    read = document.parse("cluster.yaml", (tiny.CLUSTER + text).encode())
    with pytest.raises(ProblemsFound) as found:
        read_spec(read, blocks, block_loader.schema("cluster"))
    return report(found.value.problems, found.value.sources)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_whole_field_is_there(layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every system that people ask for is listed, with a state and a reason."""
    assert main(["block", "list", "--layer", layer, "-f", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["Name"] for row in rows] == FIELD[layer].split()
    for row in rows:
        works = (layer, row["Name"]) in REAL.blocks
        assert (row["State"] == "works") == works
        assert (row["Origin"] == "heatgen") == works
        assert works or "; use " in row["Summary"] or ", use " in row["Summary"]


WORDS = [(item, word) for item in REAL.unsupported.known for word in (item.name, *item.also)]


@pytest.mark.parametrize(("item", "word"), WORDS, ids=[word for _, word in WORDS])
def test_naming_a_system_explains_itself(item: unsupported.System, word: str) -> None:
    """cluster.yaml says in one line why there is none and what to use; that then is good."""
    first = refused(f"{item.layer}: {{use: {word}}}\n").splitlines()[0]
    assert f"{item.layer}.use: {item.title} " in first
    assert item.why in first
    assert first.endswith(f"use {item.use}")
    text = f"{tiny.CLUSTER}{item.layer}: {{use: {item.use}}}\n"
    read_spec(document.parse("c", text.encode()), REAL, block_loader.schema("cluster"))


def test_as_people_write_it() -> None:
    """RancherOS is what the reason says, however it is written."""
    expected = "RancherOS is refused: it ended in June 2021"
    assert expected in refused("os: {use: RancherOS}\n")
    assert expected in refused("os: {use: Rancher OS}\n")


def test_runtime_of_a_group() -> None:
    """What a group of workers names explains itself, too."""
    said = refused("workers: [{name: a, runtime: rkt}]\n")
    assert "workers[0].runtime: Rocket (rkt) is refused" in said


def test_successor_without_a_block_is_not_promised() -> None:
    """As long as there is no block of the successor, it is not what one is told to use."""
    said = refused("os: {use: atomic-host}\n")
    assert "Fedora Atomic Host went on as fedora-coreos" in said
    assert "fedora-coreos has no block yet, use debian" in said


def test_successor_with_a_block(tmp_path: Path) -> None:
    """Once there is one it is offered, and it is no longer listed as planned."""
    write_block(tmp_path, "os", "fedora-coreos")
    blocks = block_loader.catalog([tmp_path])
    said = refused("os: {use: atomic-host}\n", blocks)
    assert "it ended with Fedora 29 in November 2019; use fedora-coreos" in said
    assert "fedora-coreos" not in [item.name for item in blocks.unsupported_systems()]
    text = document.parse("c", f"{tiny.CLUSTER}os: {{use: fedora-coreos}}\n".encode())
    assert (
        read_spec(text, blocks, block_loader.schema("cluster")).layers["os"].use == "fedora-coreos"
    )


@pytest.mark.parametrize("text", ["network: {use: etcd}\n", "network: {use: consul}\n"])
def test_name_of_another_layer(text: str) -> None:
    """What belongs to another layer is told with that layer."""
    assert "it belongs to the layer kvstore" in refused(text)


FAULTS = {
    "a block": ("runtime", "docker", "containerd", "there is a block runtime/docker"),
    "nothing to use": ("runtime", "rkt", "contanerd", "did you mean 'containerd'?"),
    "unknown layer": ("cloud", "rkt", "containerd", "cloud is not known here"),
    "name": ("runtime", "Rkt", "containerd", "must be a lower-case word"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_systems(name: str) -> None:
    """The linter holds the list against the blocks."""
    layer, word, use, message = FAULTS[name]
    entry = f"{{title: Some thing, state: refused, why: it is not wanted, use: {use}}}"
    assert message in lint_systems(f"{layer}:\n  {word}: {entry}\n")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("state: successor", "belong together"),
        ("state: refused, successor: docker", "belong together"),
        ("state: successor, successor: moby", "'moby' is neither a block nor told of here"),
        ("state: gone", "'gone' is not known"),
        ("state: refused, also: [rkt]", "'rkt' is there twice in the layer runtime"),
        ("state: refused, also: [docker]", "there is a block runtime/docker"),
    ],
)
def test_entries_of_systems(entry: str, message: str) -> None:
    """A successor is known, a word is there once."""
    rest = "title: Some thing, why: it is not wanted, use: containerd"
    assert message in lint_systems(f"runtime:\n  rkt: {{{entry}, {rest}}}\n")


def lint_systems(text: str) -> str:
    """What the linter says of another list of systems."""
    files = {**tiny.tree(), "unsupported.yaml": text.encode()}
    try:
        blocks = tiny.build_catalog(files)
    except ProblemsFound as found:
        return report(found.problems, found.sources)
    problems, sources = lint.check(blocks, tiny.executables(files), block_loader.schema("cluster"))
    return report(problems, sources)


def test_list_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    """All formats of cliff work; without a layer all are listed from the ground up."""
    assert main(["block", "list", "-f", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["Layer"] for row in rows] == [
        layer for layer in LAYERS for _ in FIELD[layer].split()
    ]


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    """All of a block, for programs."""
    assert main(["block", "show", "kvstore/etcd", "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["state"] == "works"
    assert shown["options"]["version"]["default"].startswith("3.6.")
    assert shown["inputs"]["MEMBERS"]["from"] == "file:members.sh"
    assert [step["name"] for step in shown["steps"]] == ["volume", "start"]
    assert {port["port"] for port in shown["ports"]} == {"2379", "2380"}
    assert shown["artefacts"]["etcd"]["checksums"].endswith("/SHA256SUMS")
    assert shown["requires"] == ["agent", "etcd-volume", "trust"]
    assert shown["provides"] == ["etcd-volume", "kvstore"]


def test_show_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each option, step and port."""
    assert main(["block", "show", "orchestration/kubernetes"]) == 0
    said = capsys.readouterr().out
    for line in (
        "services = 10.96.0.0/16: Network of service addresses",
        "ready on the first control: kvstore, endpoint, api, node@all, network@all -> cluster",
        "tcp 6443 to control from api, control, worker: the API",
        "vrrp to control from control: which server has the API's address, "
        "if control_plane.load_balancer is vip",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("os/debianx", "did you mean 'debian'?"),
        ("oss/debian", "did you mean 'os'?"),
        ("os/etcd", "it belongs to the layer kvstore"),
        ("os", "write LAYER/NAME"),
    ],
)
def test_show_what_is_not_there(
    word: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong name is invalid input, with what may be meant."""
    assert main(["block", "show", word]) == 2
    assert message in capsys.readouterr().err


def test_show_what_is_no_block(capsys: pytest.CaptureFixture[str]) -> None:
    """A system is shown by any of its names."""
    assert main(["block", "show", "runtime/rocket", "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["state"], shown["use"]) == ("rkt", "refused", "containerd")


@pytest.mark.parametrize("layer", LAYERS)
def test_new_blocks_are_good(
    layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new block of any layer lints as it stands, and says what to do next."""
    monkeypatch.chdir(tmp_path)
    assert main(["block", "new", f"{layer}/my-own", "--path", "mine"]) == 0
    said = capsys.readouterr()
    folder = Path("mine", layer, "my-own")
    assert said.out.split() == [
        str(folder / name) for name in ("block.yaml", "10-start.sh", "example.yaml")
    ]
    assert stat.S_IMODE((folder / "10-start.sh").stat().st_mode) & 0o100
    assert f"heatgen block lint {folder}" in said.err
    assert main(["block", "lint", str(folder)]) == 0
    assert "1 block is good" in capsys.readouterr().err


def test_new_block_in_place_of_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is overwritten, and no name of ours is taken."""
    place = str(tmp_path)
    assert main(["block", "new", "os/mine", "--path", place]) == 0
    before = (tmp_path / "os" / "mine" / "block.yaml").read_text()
    for word, message in (
        ("os/mine", "is there already"),
        ("os/debian", "heatgen has a block of that name"),
        ("os/My_OS", "lower-case letters"),
        ("os/..", "lower-case letters"),
        ("os/" + "a" * 31, "at most 30"),
        ("oss/mine", "is not a layer"),
        ("trust/mine", "can only be added to layers"),
    ):
        assert main(["block", "new", word, "--path", place]) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "os" / "mine" / "block.yaml").read_text() == before
    assert len(list(tmp_path.rglob("*"))) == 5


def test_others_are_visible(others: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What HEATGEN_PATH names is listed with where it comes from."""
    assert main(["block", "list", "--layer", "runtime", "-f", "json"]) == 0
    rows = {row["Name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["box"]["State"], rows["box"]["Origin"]) == ("added", str(others))
    assert rows["containerd"]["Origin"] == "heatgen"


def test_others_are_rendered(others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster with another's block renders to the same bytes wherever that block lies."""
    first = rendered(tmp_path / "first")
    # The second time from elsewhere, by a relative path behind an empty word.
    others.rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(block_loader.PATH_VARIABLE, ":elsewhere")
    assert rendered(tmp_path / "second") == first
    assert "runtime_start_config" in first
    assert "/etc/box.note" in first
    assert "NOTE: mine" in first


def rendered(folder: Path) -> str:
    """The template of a cluster with another's block."""
    folder.mkdir()
    for name in ("cluster.lock.yaml", "cluster.admin.csr"):
        (folder / name).write_text((CASE / name).read_text())
    text = (CASE / "cluster.yaml").read_text()
    (folder / "cluster.yaml").write_text(f"{text}runtime: {{use: box, note: mine}}\n")
    target = folder / "generated.yaml"
    assert main(["render", str(folder / "cluster.yaml"), "-o", str(target)]) == 0
    return target.read_text()


def test_names_that_clash(
    others: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two blocks of one name are an error that names both places; ours are never replaced."""
    write_block(others, "os", "debian")
    write_block(others.parent / "more", "runtime", "box")
    paths = f"{others}:{others.parent / 'more'}"
    monkeypatch.setenv(block_loader.PATH_VARIABLE, paths)
    assert main(["block", "list"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{others}/os/debian/block.yaml: error: there are two blocks os/debian, " in said.err
    assert "the other is hot/blocks/os/debian" in said.err
    assert f"runtime/box, the other is {others}/runtime/box" in said.err


def test_a_folder_named_twice(others: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same folder by two names, and our own, are no clash."""
    words = [str(others), str(others / ".." / "others"), str(block_loader.HOT / "blocks")]
    monkeypatch.setenv(block_loader.PATH_VARIABLE, ":".join(words))
    assert block_loader.catalog().names("runtime") == ["box", "containerd", "docker"]


def broken(folder: Path, fault: str) -> None:
    """Put a fault into a folder of blocks."""
    block = folder / "runtime" / "box"
    if fault == "missing":
        folder.rename(folder.parent / "gone")
    elif fault == "empty":
        (block / "block.yaml").unlink()
    elif fault == "layer":
        (folder / "runtime").rename(folder / "runtimes")
    elif fault == "name":
        block.rename(folder / "runtime" / "My_Box")
    elif fault == "bytes":
        (block / "logo").write_bytes(b"\xff\xd8")
    elif fault == "schema":
        (block / "block.yaml").write_text("summary: 1\n")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "is not a folder"),
        ("empty", "holds no block"),
        ("layer", "did you mean 'runtime'?"),
        ("name", "a block cannot be called 'My_Box'"),
        ("bytes", "is not UTF-8 text"),
        ("schema", "summary must be text"),
    ],
)
def test_broken_folders(
    fault: str, message: str, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever lies where HEATGEN_PATH leads: exit code 2 and its place."""
    broken(others, fault)
    assert main(["block", "list"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert str(others) in said
    assert "Traceback" not in said


def test_lint_of_one_block(others: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of several blocks only the one that is named is judged."""
    good = others / "runtime" / "box"
    bad = write_block(others, "network", "net")
    (bad / "10-start.sh").chmod(0o644)
    assert main(["block", "lint", str(good)]) == 0
    assert main(["block", "lint", str(good), str(bad)]) == 2
    said = capsys.readouterr().err
    assert f"{bad}/10-start.sh: error: is not executable" in said
    assert main(["block", "lint"]) == 2


def test_lint_by_a_short_path(
    others: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inside a block's own folder the path may be a dot."""
    monkeypatch.delenv(block_loader.PATH_VARIABLE)
    monkeypatch.chdir(others / "runtime" / "box")
    assert main(["block", "lint", "."]) == 0
    monkeypatch.chdir(others / "runtime")
    assert main(["block", "lint", "box", "../runtime/box"]) == 0
    assert capsys.readouterr().err == "1 block is good\n1 block is good\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("use: box", "use: containerd"),
        ("note: hello", "noet: hello"),
    ],
)
def test_lint_of_an_example(
    text: str, message: str, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An example that does not use its block, or is no good cluster.yaml, is told."""
    example = others / "runtime" / "box" / "example.yaml"
    example.write_text(example.read_text().replace(text, message))
    assert main(["block", "lint", str(others)]) == 2
    assert f"{example}" in capsys.readouterr().err
