# SPDX-License-Identifier: Apache-2.0
"""Build what the lab serves: node binaries on a mirror, images in a registry."""
