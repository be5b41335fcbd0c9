# SPDX-License-Identifier: Apache-2.0
"""The steps of `make demo`, in order, and what is told at their end."""

import shutil
import sys
import time

from cloud import machine, packages, places, steps
from cloud.problem import INTERRUPTED, Problem
from cloud.steps import Step, say

from demonstration import inside, record, stack, tools

CLUSTER = places.DEMO / "cluster.yaml"


def cloud_up() -> None:
    """Bring the lab up."""
    tools.run([str(places.LAUNCHER), "up"])


def lock() -> str | None:
    """Pin the artefacts of lab/cluster.yaml as the mirror serves them now."""
    shutil.copyfile(places.CHECKOUT / "lab" / "cluster.yaml", CLUSTER)
    served = (str(places.MIRROR.resolve()), str(places.REGISTRY.resolve()))
    stamp = record.digest(CLUSTER, *served)
    if record.stamped("lock", stamp) and (places.DEMO / "cluster.lock.yaml").exists():
        return "done already"
    inside.run(["heatgen", "lock", str(CLUSTER)])
    record.stamp("lock", stamp)
    return None


def render() -> None:
    """Write the template; quick, pure, hence done each time."""
    inside.run(["heatgen", "render", str(CLUSTER), "-o", str(stack.TEMPLATE)])


def conformance() -> None:
    """Prove the cluster, each time."""
    files = {"--kubeconfig": "kubeconfig", "--expect": "expect.json"}
    files |= {"--junitxml": "conformance.xml", "--save-facts": "facts.json"}
    options = [word for option, name in files.items() for word in (option, str(places.DEMO / name))]
    suite = ["pytest", "conformance/", "-n", "auto", "-p", "no:cacheprovider", *options]
    inside.run(suite, places.CHECKOUT)


STEPS = (
    Step("tools", tools.install_tools),
    Step("artefacts", lambda: tools.build("artifacts"), ("tools",)),
    Step("node image", lambda: tools.build("node"), ("tools",)),
    Step("packages", packages.install, ("tools",)),
    Step("virtual environment", tools.make_venv, ("tools",)),
    Step("cloud", cloud_up, ("packages", "artefacts", "node image")),
    Step("lock", lock, ("cloud", "virtual environment")),
    Step("render", render, ("lock",)),
    Step("stack", stack.create, ("render",)),
    Step("kubeconfig", stack.outputs, ("stack",)),
    Step("conformance", conformance, ("kubeconfig",)),
)


def main() -> int:
    """Go through all steps; return the exit status."""
    try:
        machine.check()
        return demonstrate()
    except Problem as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return problem.status
    except KeyboardInterrupt:
        return INTERRUPTED


def demonstrate() -> int:
    """Do what is to be done, tell how long it took and where things are."""
    places.DEMO.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    seconds = steps.run(STEPS)
    seconds["all"] = time.monotonic() - began
    record.add_timings("demo", {name: round(value, 1) for name, value in seconds.items()})
    say("\nThe cluster stands. Seconds of each step; some ran side by side:")
    for name, value in seconds.items():
        say(f"  {name:<28} {value:6.1f}")
    say(
        f"""
The template        {stack.TEMPLATE} ({stack.TEMPLATE.stat().st_size} bytes)
Its kubeconfig      {places.DEMO / "kubeconfig"}
The suite's report  {places.DEMO / "conformance.xml"}
Look around         lab/lab shell kubectl get nodes -o wide
                    lab/lab shell openstack stack resource list {stack.NAME}
                    lab/lab ssh {stack.NAME}-control-0
End it all          make lab-down"""
    )
    return 0
