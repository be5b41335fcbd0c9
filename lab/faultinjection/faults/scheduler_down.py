# SPDX-License-Identifier: Apache-2.0
"""kube-scheduler is stopped on all control-plane nodes."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
FEW = True
MESSAGE_CONTAINS = ("kube-scheduler",)
COMPANIONS = {"test_units_are_active": "the unit is inactive on all control-plane nodes"}
INCONCLUSIVE = "no scheduler assigns nodes to pods"


def inject(context: Context) -> Victims:
    """Stop it on all control-plane nodes; the fault affects the whole cluster."""
    context.run_on(context.control, "systemctl stop kube-scheduler")
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Start it on all control-plane nodes."""
    context.run_on(context.control, "systemctl start kube-scheduler")
