# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API: requests, exec, port-forward, and readers of its objects."""
