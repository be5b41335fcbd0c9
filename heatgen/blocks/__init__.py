# SPDX-License-Identifier: Apache-2.0
"""Building blocks, unsupported systems, and pins of artifacts and images."""
