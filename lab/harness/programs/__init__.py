# SPDX-License-Identifier: Apache-2.0
"""Programs that run where the questions are: on the controller, on a node, in a pod's network.

Each is one file on the standard library alone, for it is handed to `python3 -c` by way of ssh.
Its one argument is JSON, and so is what it prints.
"""
