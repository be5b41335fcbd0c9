# SPDX-License-Identifier: Apache-2.0
"""Files of a cluster: specification, lock and administrator's key; and loaders of blocks."""
