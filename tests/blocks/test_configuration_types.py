# SPDX-License-Identifier: Apache-2.0
"""Schemas of the kubelet's and kube-proxy's configuration, from the Go types of Kubernetes.

To regenerate them with Go, for example after a new version of Kubernetes::

  HEATGEN_REGENERATE=1 pytest tests/blocks/test_configuration_types.py
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from heatgen.plan import config_files
from heatgen.project import block_loader
from heatgen.spec import override_schema
from heatgen.yamlio.schema import check_value

VERSIONS = ("1.35", "1.36", "1.37")
"""Minor versions that the block supports."""
MODULES = ("kubelet", "kube-proxy", "apimachinery", "component-base", "api")
ALLOWED = {"kube-proxy": {"mode": ["iptables", "nftables"]}}
"""Values that steps and the suite support, of properties that are text in Go."""
PROGRAM = Path(__file__).parent / "configuration_types" / "main.go"
BLOCK = block_loader.installed().blocks["orchestration", "kubernetes"]
SOURCES = {
    "kubelet": "k8s.io/kubelet/config/v1beta1.KubeletConfiguration",
    "kube-proxy": "k8s.io/kube-proxy/config/v1alpha1.KubeProxyConfiguration",
}


def of_version(version: str, folder: Path) -> dict[str, Any]:
    """Return the schemas of a minor version of Kubernetes, from the types of its first release."""
    folder.mkdir()
    shutil.copy(PROGRAM, folder)
    commands = [
        ["go", "mod", "init", "types"],
        ["go", "get", *(f"k8s.io/{name}@v0.{version.partition('.')[2]}.0" for name in MODULES)],
        ["go", "mod", "tidy"],
        ["go", "run", "."],
    ]
    for command in commands:
        done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def union(parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return one schema of several versions; ``versions`` are those that have a property."""
    newest = list(parts.values())[-1]
    result = dict(newest)
    names = sorted({name for part in parts.values() for name in part.get("properties", {})})
    if names:
        result["properties"] = {}
    for name in names:
        with_it = {
            version: part["properties"][name]
            for version, part in parts.items()
            if name in part.get("properties", {})
        }
        item = union(with_it)
        if len(with_it) < len(parts):
            item["versions"] = list(with_it)
        result["properties"][name] = item
    if isinstance(newest.get("items"), dict):
        result["items"] = union({version: part["items"] for version, part in parts.items()})
    return result


def test_union() -> None:
    """Properties that not all versions have are marked; nested ones, too."""
    kind = {"type": "string"}
    old = {"type": "object", "properties": {"a": kind, "b": {"type": "object", "properties": {}}}}
    inner = {"type": "object", "properties": {"c": kind}}
    new = {"type": "object", "properties": {"a": kind, "b": inner, "d": kind}}
    found = union({"1.1": old, "1.2": new})["properties"]
    assert found["a"] == kind
    assert found["d"] == {**kind, "versions": ["1.2"]}
    assert found["b"]["properties"]["c"] == {**kind, "versions": ["1.2"]}


@pytest.mark.skipif("HEATGEN_REGENERATE" not in os.environ, reason="compiles Kubernetes's types")
def test_regenerate(tmp_path: Path) -> None:
    """Write the schemas."""
    found = {version: of_version(version, tmp_path / version) for version in VERSIONS}
    for name, source in SOURCES.items():
        title = f"{source}, Kubernetes {VERSIONS[0]} to {VERSIONS[-1]}"
        merged = union({version: schemas[name] for version, schemas in found.items()})
        page = "https://kubernetes.io/docs/reference/config-api/"
        page += {"kubelet": "kubelet-config.v1beta1/", "kube-proxy": "kube-proxy-config.v1alpha1/"}[
            name
        ]
        merged = {"title": title, "hint": f"see {page}", **merged}
        for key, values in ALLOWED.get(name, {}).items():
            merged["properties"][key] = {"enum": values, **merged["properties"][key]}
        file = block_loader.folder_of(BLOCK) / f"{name}-config.schema.json"
        file.write_text(json.dumps(merged, indent=1) + "\n", "utf-8")


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("version", VERSIONS)
def test_base_files(name: str, version: str) -> None:
    """The configurations of the block match the types of every supported version."""
    config = BLOCK.configs[name]
    base = config_files.base(config.file, BLOCK.files[config.file])
    assert check_value(base, override_schema.of(BLOCK, config, f"{version}.0")) == ""
    for pointers in (config.fixed, config.hardened, config.settings):
        for pointer in pointers:
            part: Any = override_schema.of(BLOCK, config, f"{version}.0")
            for key in pointer[1:].split("/"):
                part = part["properties"].get(key)
                assert part, f"{pointer} of {name} is unknown to {version}"


def test_supported_versions() -> None:
    """The schemas have all versions that the block supports."""
    [need] = [need for need in BLOCK.needs if need.option == "version"]
    minors = [f"1.{number}" for number in range(*(int(v.split(".")[1]) for v in (
        need.at_least, need.below)))]  # fmt: skip
    assert tuple(minors) == VERSIONS
