# SPDX-License-Identifier: Apache-2.0
"""Access to OpenStack."""
