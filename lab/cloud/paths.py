# SPDX-License-Identifier: Apache-2.0
"""Where the lab keeps things. Nothing is ever written into the checkout.

The state directory holds what belongs to this lab; in it `cloud/` is what dies with it. Inside the
namespace the state directory is also at `INSIDE`, the one path the static configuration files
name. The cache holds what is worth keeping between labs, each entry named by a digest of its
recipe.
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
VENV = STATE / "venv"
TIMINGS = STATE / "timings.json"

CLOUD = STATE / "cloud"
PIDS = CLOUD / "pids"
UP = CLOUD / "up"

OUTER_PID = STATE / "lab.pid"
LOCK = STATE / "lab.lock"
SYSCTLS = STATE / "sysctls.json"
INSTANCES_FILE = STATE / "instances.xfs"


def kubeconfig() -> Path | None:
    """Return the kubeconfig of the cluster $HEATGEN_LAB_CLUSTER, else of the one made last.

    None if there is none: a cluster's directory stays when the lab goes.
    """
    chosen = os.environ.get("HEATGEN_LAB_CLUSTER") or "demo*"
    found = sorted(STATE.glob(f"{chosen}/kubeconfig"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None
