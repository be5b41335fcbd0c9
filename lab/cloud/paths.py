# SPDX-License-Identifier: Apache-2.0
"""Paths of the lab. Nothing is written into the checkout.

The state directory belongs to one lab; `cloud/` in it is deleted with the lab. Inside the namespace
the state directory is also mounted at `INSIDE`, the path in the static configuration files. The
cache is shared by all labs; the name of each entry contains a digest of its recipe.
"""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ETC = HERE / "etc"
LAUNCHER = HERE.parent / "lab"
CHECKOUT = HERE.parents[1]

STATE = Path(os.environ.get("HEATGEN_LAB_STATE") or "/var/lib/heatgen-lab").absolute()
CACHE = Path(os.environ.get("HEATGEN_LAB_CACHE") or "/var/cache/heatgen-lab").absolute()
INSIDE = Path("/run/heatgen-lab")

LOG = STATE / "log"
KEY = STATE / "key" / "lab"
MIRROR = STATE / "mirror"
REGISTRY = STATE / "registry"
NODE_IMAGE = STATE / "node.raw"
MACHINE_IMAGE = STATE / "machine.raw"
DEBIAN_13_IMAGE = STATE / "machine-debian-13.raw"
OSTREE_IMAGE = STATE / "machine-ostree.raw"
VENV = STATE / "venv"
TIMINGS = STATE / "timings.json"

CLOUD = STATE / "cloud"
PIDS = CLOUD / "pids"
UP = CLOUD / "up"

OUTER_PID = STATE / "lab.pid"
LOCK = STATE / "lab.lock"
SYSCTLS = STATE / "sysctls.json"
INSTANCES_FILE = STATE / "instances.xfs"


def node_image(variant: str) -> Path:
    """Return the file of an image of lab/node/variants."""
    return STATE / f"node-{variant}.raw"


def kubeconfig() -> Path | None:
    """Return the kubeconfig of the cluster $HEATGEN_LAB_CLUSTER, else the most recent one.

    None if no kubeconfig exists. The directory of a cluster remains when the lab is removed.
    """
    chosen = os.environ.get("HEATGEN_LAB_CLUSTER") or "demo*"
    found = sorted(STATE.glob(f"{chosen}/kubeconfig"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None
