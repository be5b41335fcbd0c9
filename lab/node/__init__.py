# SPDX-License-Identifier: Apache-2.0
"""Build the image from which the servers of the lab boot."""
