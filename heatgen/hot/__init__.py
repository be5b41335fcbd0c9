# SPDX-License-Identifier: Apache-2.0
"""Heat Orchestration Templates (HOT): data model, resource names, functions, deployments."""
