# SPDX-License-Identifier: Apache-2.0
"""Manifests of the objects that a run creates."""
