# SPDX-License-Identifier: Apache-2.0
"""The steps of `make demo` and `make demo-ha`, and their summary."""

import time
from functools import partial

from lab.cloud import heat, packages, paths, steps
from lab.cloud.steps import Step, print_progress
from lab.demo import inside, record, stack, tools
from lab.demo.demo import Demo


def cloud_up() -> None:
    """Start the lab."""
    tools.run([str(paths.LAUNCHER), "up"])


def lock(demo: Demo) -> str | None:
    """Pin the artifacts of the cluster that the mirror serves."""
    demo.cluster.write_text(demo.content, encoding="utf-8")
    served = (str(paths.MIRROR.resolve()), str(paths.REGISTRY.resolve()))
    stamp = record.digest(demo.cluster, *served)
    locked = (demo.directory / "cluster.lock.yaml").exists()
    if locked and record.stamped(demo.directory, "lock", stamp):
        return "already done"
    # The artifacts are built locally: their digests may have changed.
    inside.run(["heatgen", "lock", "--update", str(demo.cluster)], demo.directory)
    record.stamp(demo.directory, "lock", stamp)
    return None


def render(demo: Demo) -> None:
    """Write the template; it takes a second, so it is never skipped."""
    words = ["heatgen", "render", str(demo.cluster), "-o", str(demo.template)]
    inside.run(words, demo.directory)


def conformance(demo: Demo) -> None:
    """Run the conformance suite; it is never skipped."""
    files = {"--kubeconfig": demo.kubeconfig, "--expect": demo.expected}
    files |= {"--junitxml": demo.directory / "conformance.xml"}
    files |= {"--save-facts": demo.directory / "facts.json"}
    files |= {"--results": demo.directory / "results.jsonl", "--report": demo.report}
    options = [word for option, path in files.items() for word in (option, str(path))]
    suite = ["pytest", "conformance/", "-n", "auto", "-p", "no:cacheprovider"]
    inside.run([*suite, *demo.suite_options, *options], paths.CHECKOUT)


def steps_of(demo: Demo) -> tuple[Step, ...]:
    """Return the steps of one demonstration."""
    return (
        Step("tools", tools.install_tools),
        Step("artifacts", partial(tools.build_artifacts, demo.source), ("tools",)),
        Step("node image", partial(tools.build_images, demo), ("tools",)),
        Step("packages", packages.install, ("tools",)),
        Step("Heat", heat.install, ("tools",)),
        Step("virtual environment", tools.create_venv, ("tools",)),
        Step("cloud", cloud_up, ("packages", "Heat", "artifacts", "node image")),
        Step("lock", partial(lock, demo), ("cloud", "virtual environment")),
        Step("render", partial(render, demo), ("lock",)),
        Step("stack", partial(stack.create, demo), ("render",)),
        Step("kubeconfig", partial(stack.outputs, demo), ("stack",)),
        Step("conformance", partial(conformance, demo), ("kubeconfig",)),
    )


def demonstrate(demo: Demo) -> None:
    """Run all steps; print their durations and the paths of the results."""
    demo.directory.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    seconds = steps.run(steps_of(demo))
    seconds["all"] = time.monotonic() - began
    record.add_timings(demo.name, {name: round(value, 1) for name, value in seconds.items()})
    print_progress("\nThe cluster is ready. Seconds of each step; some ran in parallel:")
    for name, value in seconds.items():
        print_progress(f"  {name:<28} {value:6.1f}")
    print_progress(
        f"""
The template        {demo.template} ({demo.template.stat().st_size} bytes)
The kubeconfig      {demo.kubeconfig}
The report          {demo.report}
Next commands       lab/lab shell kubectl get nodes -o wide
                    lab/lab shell openstack stack resource list {demo.name}
                    lab/lab ssh {demo.name}-control-0
Remove the lab      make lab-down"""
    )
