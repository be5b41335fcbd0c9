# SPDX-License-Identifier: Apache-2.0
"""Functions that several checks share."""
