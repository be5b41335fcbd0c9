# SPDX-License-Identifier: Apache-2.0
"""YAML in and out, JSON Schema, problems with their places."""
