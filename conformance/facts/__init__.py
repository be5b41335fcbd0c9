# SPDX-License-Identifier: Apache-2.0
"""Facts about a cluster: values, and their form as JSON."""
