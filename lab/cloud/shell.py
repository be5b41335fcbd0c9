# SPDX-License-Identifier: Apache-2.0
"""The environment of commands inside the lab's namespace."""

import os
import re

from lab.cloud import http, paths


def shell_environment(user: str) -> dict[str, str]:
    """Return our environment with OS_* of a user, and heatgen and kubectl on PATH."""
    # The mirror may have several versions: use the newest.
    kubectl = sorted(
        paths.MIRROR.glob("dl.k8s.io/release/*/bin/linux/amd64"),
        key=lambda path: [int(number) for number in re.findall(r"\d+", path.parts[-4])],
        reverse=True,
    )
    path = [str(paths.VENV / "bin"), os.environ["PATH"], *(str(path) for path in kubectl)]
    environment = {**os.environ, **http.environment(user), "PATH": ":".join(path)}
    if kubeconfig := paths.kubeconfig():
        environment.setdefault("KUBECONFIG", str(kubeconfig))
    return environment
