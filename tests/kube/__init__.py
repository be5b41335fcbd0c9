# SPDX-License-Identifier: Apache-2.0
"""The client of the Kubernetes API, with real programs of Kubernetes on loopback."""
