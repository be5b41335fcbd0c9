# SPDX-License-Identifier: Apache-2.0
"""All decisions about a cluster: servers, addresses, security groups, deployments."""
