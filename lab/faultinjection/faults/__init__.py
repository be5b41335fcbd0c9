# SPDX-License-Identifier: Apache-2.0
"""The faults of `conformance.faults.FAULTS`, one small module each, named as they are.

What a module has to say:

KIND = "real"       the fault itself, as it is in the wild
       "effect"     what the fault does to a cluster, brought about in another way
       "replayed"   only an alteration of recorded facts; the module's first lines say why
inject(context)       put it into the cluster, return the victims; not for "replayed"
heal(context)         take it out; may be called twice, without `inject`, and in another process
alter(facts)        "replayed": change sound facts (plain JSON) in place, return the victims

and what it may say:

NEEDS = "quorum"    three servers of the control plane; "any" (without it): any cluster
        "docker"    a worker with Docker
COMPANIONS = {"test_x": "why"}   checks that are honestly red, too; a name may end in *
UNASKED = "why"     tests of whatever check may be in error (not failed) and name a victim
SAYS = ("words",)   each stands in a message of a check that must be red: the cause is named
REFUSED = ("words",)  the suite cannot even begin (exit status 4), and says these words
RECORDING = "demo"  the sound cluster whose facts `alter` gets; without it "demo-ha"
FEW = True          quick, and one of those that `.ci/run` injects
GREEN_SECONDS = 120.0   how long the cluster may take to be whole after `heal`

What must be red is not said here: all checks that bear `@detects` with the fault's name.
"""
