# SPDX-License-Identifier: Apache-2.0
"""The layers of a cluster, from the ground up, and what the checks of each are about."""

LAYERS = {
    "os": "the nodes: present, Ready, sound",
    "runtime": "containers run, and answer exec and logs",
    "kvstore": "etcd: healthy, agreed, closed to strangers",
    "network": "pods reach each other, and every node knows how",
    "orchestration": "the scheduler places pods where it must, and nowhere else",
    "services": "services and names answer on every node",
    "hardening": "closed to strangers: doors, rights, files, certificates, what is written down",
}
