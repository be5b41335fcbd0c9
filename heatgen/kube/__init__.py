# SPDX-License-Identifier: Apache-2.0
"""Edge: the Kubernetes API of a running cluster, as its administrator."""
