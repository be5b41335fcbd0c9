# SPDX-License-Identifier: Apache-2.0
"""The cloud ring: creates, checks, restarts and deletes a cluster of each system on any cloud."""
