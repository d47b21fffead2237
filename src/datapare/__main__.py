"""`python -m datapare` and the command `datapare`: the command line, which ends in order when a signal asks for it."""

import signal
import sys
from types import FrameType

INTERRUPTED = "datapare: interrupted; the same command resumes where it stopped\n"


def run() -> None:
    """Run the command line of this process; a signal to end it removes what is temporary first."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, _end)
    try:
        from datapare.cli.app import main

        main()
    except KeyboardInterrupt:  # while it is still being loaded
        sys.stderr.write(INTERRUPTED)
        raise SystemExit(128 + signal.SIGINT) from None


def _end(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # the second one ends it at once
    raise SystemExit(128 + number)


if __name__ == "__main__":
    run()
