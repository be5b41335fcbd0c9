# SPDX-License-Identifier: Apache-2.0
"""The matrix covers every pair of options, and every key of the schema."""

from heatgen.project import block_loader

from . import matrix, pairwise


def test_pairs() -> None:
    """Every pair of options is in one of fewer than 40 cases."""
    factors = {factor: list(values) for factor, values in matrix.FACTORS.items()}
    covered = set().union(*(pairwise.covered(case) for case in matrix.CASES.values()))
    assert covered == pairwise.pairs(factors)
    assert len(matrix.CASES) < 40


def test_keys() -> None:
    """Every key of the schema of cluster.yaml is in the matrix."""
    schema = block_loader.schema("cluster")["properties"]
    used: dict[str, set[str]] = {}
    for values in [*matrix.FACTORS.values(), matrix.SPECIAL]:
        for patch in values.values():
            for key, part in [*matrix.BASE.items(), *patch.items()]:
                for item in part if isinstance(part, list) else [part]:
                    if isinstance(item, dict):
                        used.setdefault(key, set()).update(item)
    for key in ("cloud", "control_plane", "workers", "site", "artifacts"):
        missing = schema[key]["properties"].keys() - used[key]
        assert missing <= {"http_proxy", "runtime"}, key
