# SPDX-License-Identifier: Apache-2.0
"""Build the files that the lab serves: node binaries on a mirror, images in a registry."""
