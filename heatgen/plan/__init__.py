# SPDX-License-Identifier: Apache-2.0
"""Everything that is decided about a cluster."""
