# SPDX-License-Identifier: Apache-2.0
"""The faults of `conformance.faults.FAULTS`: one small module per fault, with the same name.

A module must define:

KIND = "real"       the fault itself, as it occurs in production
       "effect"     the effect of the fault, produced in another way
       "replayed"   a change of recorded facts only; the docstring gives the reason
inject(context)     inject the fault, return the victims; not for "replayed"
heal(context)       remove the fault; may run twice, without `inject`, and in another process
alter(facts)        for "replayed": change healthy facts (plain JSON) in place, return the victims

A module may define:

NEEDS = "quorum"    requires three control-plane nodes; default "any": any cluster
        "docker"    requires a worker with Docker
        "kernel"    requires a worker with its own kernel: `context.machine`
        "ostree"    requires one that boots with ostree: `context.machine`
COMPANIONS = {"test_x": "why"}   other checks that are expected to be red; a name may end in *
INCONCLUSIVE = "why"    tests of any check may be inconclusive (not failed) if they name a victim
MESSAGE_CONTAINS = ("text",)   texts that messages of declared checks must contain: the cause
STARTUP_ERRORS = ("text",)   texts that the suite prints because it cannot start (exit status 4)
RECORDING = "demo"  the healthy cluster whose facts `alter` receives; default "demo-ha"
FEW = True          the fault is quick, and `.ci/run` injects it
GREEN_SECONDS = 120.0   how long the cluster may take to recover after `heal`

The checks that must be red are not listed here: they declare the fault with `@detects`.
"""
