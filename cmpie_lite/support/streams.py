"""A command's own streams and words, whatever it was started with."""

from __future__ import annotations

import argparse
import errno
import io
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

from cmpie_lite.errors import ConfigError
from cmpie_lite.support.reading import of_memory, told
from cmpie_lite.support.text import clipped, printable, user_path


class Words(argparse.ArgumentParser):
    """A command line whose errors neither steer a terminal nor repeat all of what was given."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, which takes `--seed=--` for an option without a value, and gives an empty list."""
        for word in sys.argv[1:] if args is None else args:
            if word.startswith("-") and word.endswith("=--"):
                self.error(f"argument {word.removesuffix('=--')}: expected a value, not --")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End with argparse's message, fit to be printed and cut where it is too long."""
        super().error(printable(clipped(message, 400)))


def path_word(text: str) -> Path:
    """A word of the command line that is a path (`user_path`)."""
    try:
        return user_path(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


BROKEN_PIPE: Final = 141  # exit status, as shells say that SIGPIPE ended a process


def run_to_the_last_word(run: Callable[[], int]) -> int:
    """Run a command, and see that what it printed has gone out; its exit status.

    A reader of its output that has gone, as in `| head -1`, is no error to be told: the command ends there,
    as others do. A full disk is one, and so is memory that is full.
    """
    try:
        status = run()
        sys.stdout.flush()
        return status
    except (MemoryError, RuntimeError) as error:
        if not of_memory(error):
            raise
        print(f"error: {told(error)}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        status = BROKEN_PIPE
    except OSError as error:
        print(f"error: standard output cannot be written ({error.strerror})", file=sys.stderr)
        status = 2
    to_nowhere(sys.stdout.fileno())  # or Python tries once more when it ends, and complains
    return status


def to_nowhere(number: int) -> None:
    """Put the null device in the place of a file, open or closed."""
    null = os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, this one perhaps
    if null != number:
        os.dup2(null, number)
        os.close(null)


class Terminal(io.FileIO):
    """A terminal that may be closed before the work ends: what is printed from then on goes nowhere.

    So it is where a command runs on without it, as one in the background of a shell that was left does.
    """

    def write(self, data: Any) -> int:
        """As any file's, which fails where the terminal is gone."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        to_nowhere(self.fileno())
        return super().write(data)


def keep_streams() -> None:
    """Put the null device in the place of standard streams that were closed, as by `2>&-`, or that will be.

    Without it Python has None for them, which a progress bar cannot write to, and the next file that is
    opened gets their number, and with it what C libraries write to "standard error". And what a stream's
    coding has no sign for, as that of the locale C, is written out: no work is lost to a dash in a table.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            to_nowhere(number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf8"))
        stream = getattr(sys, name)
        own = mode == "w" and stream is getattr(sys, f"__{name}__")  # neither a notebook's nor a test's
        if own and stat.S_ISCHR(os.fstat(number).st_mode):
            raw = io.BufferedWriter(Terminal(number, mode, closefd=False))
            how = {"encoding": stream.encoding, "errors": stream.errors, "line_buffering": True}
            setattr(sys, name, io.TextIOWrapper(raw, **how))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
