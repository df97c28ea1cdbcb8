"""Imported by commands before torch is loaded, which reads the environment and the current folder once.

Idle threads sleep, or they take the cores from other processes. Where the current folder was removed, a
command ends here: torch's libraries would end it in words of their own.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
try:
    os.getcwd()
except OSError as error:
    gone = f"error: the current folder is not there any more ({error.strerror})"
    print(f"{gone}. Change to one that is (cd), and run again.", file=sys.stderr)
    raise SystemExit(2) from error
