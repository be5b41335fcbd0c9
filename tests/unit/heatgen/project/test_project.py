# SPDX-License-Identifier: Apache-2.0
"""Templates, and the files that rendering creates."""

import shutil
from pathlib import Path

import pytest

from heatgen.project import project
from heatgen.yamlio.problems import ProblemsFound
from tests.golden.cases import CASES


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """Return the file of a cluster with a lock."""
    for name in ("cluster.yaml", "cluster.lock.yaml"):
        shutil.copy(CASES / "minimal" / name, tmp_path)
    return tmp_path / "cluster.yaml"


def names(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_request_of_a_concurrent_run(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another run has created the keys meanwhile, the template has what belongs to them."""
    original, requests = project._render, []

    def render(
        found: project.Project, pinned: object, request: str, certificate: str
    ) -> project.Rendered:
        requests.append((request, certificate))
        if len(requests) == 1:
            project.make_template(found)
        return original(found, pinned, request, certificate)  # type: ignore[arg-type]

    monkeypatch.setattr(project, "_render", render)
    rendered = project.make_template(project.load(cluster))
    ends = (".admin.csr", ".backup.crt")
    kept = tuple(cluster.with_suffix(end).read_text() for end in ends)
    assert not set(requests[0]) & set(kept)
    parameters = rendered.template["parameters"]
    names = ("admin_request", "backup_certificate")
    assert tuple(parameters[name]["default"] for name in names) == kept


def test_failed_rendering(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rendering that fails leaves no key and no request."""
    before = names(cluster.parent)
    monkeypatch.setattr("heatgen.render.heat_limits.usage", lambda *_: [1 / 0])
    with pytest.raises(ZeroDivisionError):
        project.make_template(project.load(cluster))
    assert names(cluster.parent) == before
    monkeypatch.undo()
    cluster.with_suffix(".lock.yaml").write_text("version: 1\nartifacts: {}\nimages: {}\n")
    with pytest.raises(ProblemsFound):
        project.make_template(project.load(cluster))
    assert names(cluster.parent) == before


@pytest.mark.parametrize("name", ["a\nb.yaml", "a\udcff.yaml", "ü.yaml", "a: b #.yaml"])
def test_names_in_the_header(name: str, cluster: Path) -> None:
    """The name of the file cannot leave its comment, and is written in UTF-8."""
    other = cluster.with_name(name)
    cluster.rename(other)
    cluster.with_suffix(".lock.yaml").rename(other.with_suffix(".lock.yaml"))
    rendered = project.make_template(project.load(other))
    assert rendered.text.encode()
    lines = rendered.text.splitlines()
    start = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    assert (start, lines[start].partition(":")[0]) == (3, "heat_template_version")
