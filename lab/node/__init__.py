# SPDX-License-Identifier: Apache-2.0
"""Build the image that the lab boots its servers from."""
