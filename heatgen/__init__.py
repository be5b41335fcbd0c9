# SPDX-License-Identifier: Apache-2.0
"""heatgen: Kubernetes clusters on OpenStack from one Heat template, layer by layer.

Every package is a stage: ``cluster.yaml`` -> :mod:`heatgen.spec` -> :mod:`heatgen.plan` ->
:mod:`heatgen.render` -> ``generated.yaml``. These packages and the ones that they import are pure:
they do no I/O. I/O is in :mod:`heatgen.project` (files, upstream's servers), :mod:`heatgen.cloud`
(OpenStack), :mod:`heatgen.tosca.reader` and :mod:`heatgen.cli`.
"""

VERSION = "0.1.0"
