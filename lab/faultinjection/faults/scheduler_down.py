# SPDX-License-Identifier: Apache-2.0
"""kube-scheduler is stopped on every server of the control plane."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
FEW = True
SAYS = ("kube-scheduler",)
COMPANIONS = {"test_units_are_active": "the unit is not active on any server, as it says"}
UNASKED = "nobody gives pods a node"


def inject(context: Context) -> Victims:
    """Stop all of them; the fault is the whole cluster's."""
    context.on(context.control, "systemctl stop kube-scheduler")
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Start all of them."""
    context.on(context.control, "systemctl start kube-scheduler")
