# SPDX-License-Identifier: Apache-2.0
"""`python -m lab.faultinjection`: `lab/lab fault` runs it in the lab's virtual environment."""

import sys

from lab.faultinjection.command import main

sys.exit(main(sys.argv[1:]))
