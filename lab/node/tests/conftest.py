# SPDX-License-Identifier: Apache-2.0
"""Puts lab/ on the path, as the commands do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
