# SPDX-License-Identifier: Apache-2.0
"""The plan as a Heat template."""
