# SPDX-License-Identifier: Apache-2.0
"""Is this Kubernetes cluster sound? A pytest suite that needs only a kubeconfig.

Collect once, judge many: probes on every node gather facts (`collect`, `probe/collect.sh`), small
tests judge them (`test_os` … `test_services`). The package imports nothing of its neighbours, so it
can be taken to any cluster.
"""
