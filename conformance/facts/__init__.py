# SPDX-License-Identifier: Apache-2.0
"""What is known about a cluster: values, and how they are stored as JSON."""
