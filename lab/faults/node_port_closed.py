# SPDX-License-Identifier: Apache-2.0
"""The cloud's security group of the workers lets nobody in at TCP 30000-32767: Neutron's own rules.

They are taken out of the group and put back as they were, but with new ids.
"""

import json
from typing import Any

from lab.trial.scene import NOBODY, Scene, Victims

KIND = "real"
SAYS = ("30000-32767",)
COMPANIONS: dict[str, str] = {}


def inject(scene: Scene) -> Victims:
    """Delete the rules of the group that the first worker is in; then its NodePorts are closed."""
    groups = rules_of(scene)
    scene.keep("rules", groups)
    for rule in groups:
        scene.openstack("security", "group", "rule", "delete", rule["id"])
    return NOBODY


def rules_of(scene: Scene) -> list[dict[str, Any]]:
    """The rules for NodePorts by TCP in the first worker's groups."""
    server = json.loads(scene.openstack("server", "show", "-f", "json", scene.victim.name))
    names = {group["name"] for group in server["security_groups"]}
    found = []
    for name in names:
        told = scene.openstack("security", "group", "rule", "list", "-f", "json", name)
        found += [
            {"id": row["ID"], "group": name, "from": row["Remote Security Group"]}
            for row in json.loads(told)
            if (row["IP Protocol"], row["Port Range"]) == ("tcp", "30000:32767")
        ]
    return found


def heal(scene: Scene) -> None:
    """Make them again; a rule that is there already is said so, and is well."""
    for rule in scene.kept("rules", []):
        words = ["--protocol", "tcp", "--dst-port", "30000:32767", "--ingress"]
        words += ["--remote-group", rule["from"], rule["group"]]
        scene.openstack("security", "group", "rule", "create", *words, check=False)
