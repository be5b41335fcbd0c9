# SPDX-License-Identifier: Apache-2.0
"""Run the installed suite from anywhere: ``python -m conformance -n auto --kubeconfig FILE``."""

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    suite = Path(__file__).parent
    here = ["-p", "no:cacheprovider", "--rootdir", str(suite.parent)]
    sys.exit(pytest.main([str(suite), *here, *sys.argv[1:]]))
