# SPDX-License-Identifier: Apache-2.0
"""Client of the Kubernetes API: requests, exec, port-forward, and readers of objects."""
