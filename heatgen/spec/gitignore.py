# SPDX-License-Identifier: Apache-2.0
"""The ``.gitignore`` beside ``cluster.yaml``, which keeps private keys out of version control."""

import fnmatch

SECRET = {
    "*.admin.key": "cluster.admin.key",
    "*.admin.new.key": "cluster.admin.new.key",
    "*.backup.key": "cluster.backup.key",
    "kubeconfig": "kubeconfig",
    ".*.new": ".cluster.admin.key.0a1b2c3d.new",
}
"""Lines for files that contain a private key, each with an example."""
TEXT = "\n".join(
    [
        "# Files with private keys of the administrator and of backups; temporary files.",
        *SECRET,
        "*.kubeconfig",
        "# Files that heatgen and the OpenStack client write again.",
        "generated.yaml",
        "expect.json",
        "*-logs/",
        "",
    ]
)


def missing(text: str) -> list[str]:
    """Return the lines for files with private keys that a ``.gitignore`` lacks.

    Lines with other patterns that match the same files count.
    """
    lines = [line.strip().lstrip("/") for line in text.splitlines()]
    patterns = [line for line in lines if line and not line.startswith(("#", "!"))]
    return [
        line
        for line, example in SECRET.items()
        if not any(fnmatch.fnmatchcase(example, pattern) for pattern in patterns)
    ]
