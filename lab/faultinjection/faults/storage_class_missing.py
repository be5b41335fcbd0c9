# SPDX-License-Identifier: Apache-2.0
"""No StorageClass is the default, where the stack's output promises one.

Replayed: the lab's clusters have no storage of their own, so none is promised there.
"""

from lab.faultinjection.context import WHOLE_CLUSTER, Json, Victims

KIND = "replayed"
SAYS = ("cinder",)
COMPANIONS: dict[str, str] = {}


def alter(facts: Json) -> Victims:
    """One is promised, and one is there, but is not what those get who name none."""
    facts["expected"]["storage"] = {"default_class": "cinder"}
    provisioner = "cinder.csi.openstack.org"
    facts["governance"]["storage_classes"] = [
        {"name": "cinder", "provisioner": provisioner, "default": False}
    ]
    return WHOLE_CLUSTER
