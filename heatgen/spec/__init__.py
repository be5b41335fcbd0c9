# SPDX-License-Identifier: Apache-2.0
"""``cluster.yaml`` as a value."""
