# SPDX-License-Identifier: Apache-2.0
"""Is this Kubernetes cluster sound? A pytest suite that needs only a kubeconfig.

Collect once, judge many: probes on every node gather facts (`collect`), and small checks judge them
(`tests`). The package imports no other package of this repository, so it can be taken to any
cluster.
"""
