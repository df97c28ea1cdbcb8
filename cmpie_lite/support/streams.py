"""A command's own streams and words, whatever it was started with."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from cmpie_lite.support.text import clipped, printable


class Words(argparse.ArgumentParser):
    """A command line whose errors neither steer a terminal nor repeat all of what was given."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(clipped(message, 400)))


def keep_streams() -> None:
    """Put the null device in the place of standard streams that were closed, as by `2>&-`.

    Without it Python has None for them, which a progress bar cannot write to, and the next file that is
    opened gets their number, and with it what C libraries write to "standard error".
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf8"))
