# SPDX-License-Identifier: Apache-2.0
"""The command line: thin commands over public functions. Results on stdout, the rest on stderr."""
