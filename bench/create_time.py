#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the creation time of a cluster with that of its bare servers.

Creates a stack `bare` from the template of a stack, with all servers and their dependencies, but
with one empty deployment per server in place of all others. Compares the seconds between the first
and the last event of each stack, according to Heat. The first stack is deleted before, so that only
one stack uses the cloud. Run it as the owner of the stack, in an environment with OS_*:

    files=/var/lib/heatgen-lab/demo-ha
    lab/lab shell bench/create_time.py --delete --events $files/events.json \
        demo-ha $files/generated.yaml

Heat keeps about a thousand events of a stack. After updates, those of the creation may be deleted:
`--events` reads them from a file with the output of `openstack stack event list -f json`.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

SECONDS = 1800
DEPLOYMENTS = ("OS::Heat::SoftwareDeployment", "OS::Heat::SoftwareDeploymentGroup")
# Servers do not depend on these.
WITHOUT = (*DEPLOYMENTS, "OS::Heat::Value")
BARE = "bare"
NOTHING = {
    "type": "OS::Heat::SoftwareConfig",
    "properties": {"group": "script", "config": "#!/bin/sh\n"},
}

Template = dict[str, Any]


def main() -> int:
    """Measure and print one JSON object; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stack", help="name of the stack to compare with")
    parser.add_argument("template", type=Path, help="the template of the stack")
    parser.add_argument("--delete", action="store_true", help="allow the stack to be deleted")
    parser.add_argument(
        "--events", type=Path, metavar="FILE", help="its events, saved when it was complete"
    )
    options = parser.parse_args()
    if not options.delete:
        parser.error("the stack must be deleted before its bare servers are timed: pass --delete")
    full = seconds(options.stack, options.events and options.events.read_text())
    openstack("delete", "--yes", "--wait", options.stack)
    print(f"{options.stack}: {full:.0f} s, deleted; creating the bare stack", file=sys.stderr)
    bare = time_bare(bare_template(yaml.safe_load(options.template.read_text())))
    figures = {"stack": full, "bare": bare, "ratio": round(full / bare, 2)}
    print(json.dumps(figures))
    return 0


def bare_template(template: Template) -> Template:
    """Return the template with unchanged servers, and one empty deployment on each."""
    resources = {
        name: resource
        for name, resource in template["resources"].items()
        if resource["type"] not in WITHOUT and not name.endswith("_config")
    }
    for name, resource in list(resources.items()):
        if resource["type"] == "OS::Nova::Server":
            resources[f"{name}_nothing"] = deployment("", "server", {"get_resource": name})
        elif resource["type"] == "OS::Heat::ResourceGroup":
            servers = {"get_attr": [name, "refs_map"]}
            resources[f"{name}_nothing"] = deployment("Group", "servers", servers)
    resources["nothing"] = NOTHING
    for name, resource in resources.items():
        if needed := resource.get("depends_on"):
            kept = [each for each in needed if each in resources]
            resources[name] = {**resource, "depends_on": kept}
    return {**template, "resources": resources, "outputs": {}}


def deployment(suffix: str, key: str, target: Template) -> Template:
    """Return an empty deployment on a server or on all servers of a group."""
    properties = {"config": {"get_resource": "nothing"}, "signal_transport": "HEAT_SIGNAL"}
    return {
        "type": f"OS::Heat::SoftwareDeployment{suffix}",
        "properties": {**properties, key: target},
    }


def time_bare(template: Template) -> float:
    """Create and delete the bare stack; return the seconds of its creation."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "bare.yaml"
        path.write_text(yaml.safe_dump(template, sort_keys=False))
        try:
            openstack("create", "--template", str(path), "--timeout", "20", "--wait", BARE)
            return seconds(BARE)
        finally:
            openstack("delete", "--yes", "--wait", BARE)


def seconds(stack: str, saved: str | None = None) -> float:
    """Return the seconds from the first event of a stack to its completion."""
    events = json.loads(saved or openstack("event", "list", "--format", "json", stack))
    own = [event for event in events if event["resource_name"] == stack]
    times = {event["resource_status"]: event["event_time"] for event in own}
    try:
        began, ended = times["CREATE_IN_PROGRESS"], times["CREATE_COMPLETE"]
    except KeyError as error:
        raise SystemExit(f"stack {stack} has no event with {error}: pass --events") from None
    parse = datetime.datetime.fromisoformat
    return (parse(ended) - parse(began)).total_seconds()


def openstack(*words: str) -> str:
    """Return the output of `openstack stack …`, which must succeed."""
    command = ["openstack", "stack", *words]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
