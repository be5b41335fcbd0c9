# SPDX-License-Identifier: Apache-2.0
"""Repeated runs, their history and statistics."""
