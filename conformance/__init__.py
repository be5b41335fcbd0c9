# SPDX-License-Identifier: Apache-2.0
"""Conformance suite for Kubernetes clusters, as a pytest suite that needs only a kubeconfig.

Probes on every node collect facts once (``collect``), and many small checks evaluate them
(``tests``). The package imports no other package of this repository, so it runs anywhere.
"""
