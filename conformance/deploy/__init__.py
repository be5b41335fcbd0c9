# SPDX-License-Identifier: Apache-2.0
"""Lifecycle of a run on the cluster: create its objects, monitor its pods, delete everything."""
