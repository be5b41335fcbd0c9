# SPDX-License-Identifier: Apache-2.0
"""heatgen: Kubernetes clusters on OpenStack from one Heat template, layer by layer.

The way of a cluster: ``cluster.yaml`` -> :mod:`heatgen.spec` -> :mod:`heatgen.plan` ->
:mod:`heatgen.render` -> ``generated.yaml``. These modules and what they need are pure: text and
values in, text and values out. Files, network and keys live at the edge: :mod:`heatgen.library`,
:mod:`heatgen.project`, :mod:`heatgen.lock`, :mod:`heatgen.fetch`, :mod:`heatgen.keys`,
:mod:`heatgen.stack` and the commands.
"""

VERSION = "0.1.0"
