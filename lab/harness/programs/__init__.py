# SPDX-License-Identifier: Apache-2.0
"""Programs that run on the controller, on a node or in the network of a pod.

Each is a single file that uses only the standard library, because it is passed to `python3 -c` over
ssh. The argument and the output are JSON.
"""
