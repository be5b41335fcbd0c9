# SPDX-License-Identifier: Apache-2.0
"""The matrix holds what it promises: every two options meet."""

from heatgen.project import block_loader

from . import matrix, pairwise


def test_every_pair_of_options_is_in_a_case() -> None:
    """No pair is forgotten, and there are far fewer cases than combinations."""
    factors = {factor: list(values) for factor, values in matrix.FACTORS.items()}
    held = set().union(*(pairwise.held(case) for case in matrix.CASES.values()))
    assert held == pairwise.pairs(factors)
    assert len(matrix.CASES) < 40


def test_every_key_of_the_schema_is_in_the_matrix() -> None:
    """An option that is new in cluster.yaml must come into the matrix, too."""
    schema = block_loader.schema("cluster")["properties"]
    written: dict[str, set[str]] = {}
    for values in matrix.FACTORS.values():
        for patch in values.values():
            for key, part in [*matrix.BASE.items(), *patch.items()]:
                for item in part if isinstance(part, list) else [part]:
                    if isinstance(item, dict):
                        written.setdefault(key, set()).update(item)
    for key in ("cloud", "control_plane", "workers", "site", "artifacts"):
        missing = schema[key]["properties"].keys() - written[key]
        assert missing <= {"http_proxy", "runtime"}, key
