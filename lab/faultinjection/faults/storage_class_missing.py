# SPDX-License-Identifier: Apache-2.0
"""No StorageClass is the default, although the stack output declares one.

Replayed: the lab's clusters have no storage, so their stack output declares none.
"""

from lab.faultinjection.context import WHOLE_CLUSTER, Json, Victims

KIND = "replayed"
MESSAGE_CONTAINS = ("cinder",)
COMPANIONS: dict[str, str] = {}


def alter(facts: Json) -> Victims:
    """Declare a default class, and add that class without the default annotation."""
    facts["expected"]["storage"] = {"default_class": "cinder"}
    provisioner = "cinder.csi.openstack.org"
    facts["governance"]["storage_classes"] = [
        {"name": "cinder", "provisioner": provisioner, "default": False}
    ]
    return WHOLE_CLUSTER
