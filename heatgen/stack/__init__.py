# SPDX-License-Identifier: Apache-2.0
"""The meaning of a stack's template, events and outputs."""
