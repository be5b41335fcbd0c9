# SPDX-License-Identifier: Apache-2.0
"""YAML parser and writer, JSON Schema validation, and problems with their positions."""
