# SPDX-License-Identifier: Apache-2.0
"""``heatgen graph``."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from heatgen.cli.main import main

Capture = pytest.CaptureFixture[str]


def test_graph(cluster: Path, capsys: Capture) -> None:
    """Layers are rows from bottom to top, and arrows point to the right."""
    (cluster.parent / "cluster.admin.csr").unlink()
    assert main(["graph", str(cluster)]) == 0
    picture = ET.fromstring(capsys.readouterr().out)
    texts = [item.text for item in picture.iter("{http://www.w3.org/2000/svg}text")]
    layers = ["orchestration", "network", "kvstore", "runtime", "trust", "os"]
    assert [text for text in texts if text in layers] == layers
    for item in picture.iter("{http://www.w3.org/2000/svg}path"):
        if item.get("marker-end"):
            start, *_, end, _ = [float(x) for x in re.findall(r"[0-9.]+", str(item.get("d")))]
            assert start < end
    assert not list(cluster.parent.glob("*.key"))
    assert main(["graph", "-f", "dot", str(cluster)]) == 0
    text = capsys.readouterr().out
    assert '"trust/sign" -> "trust/install";' in text
    # Transitive dependencies are not drawn.
    assert '"trust/request" -> "trust/install";' not in text
