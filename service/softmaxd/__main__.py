"""The process of the `softmaxd` command, which `python -m softmaxd` is, too: its signals, from the first import on."""

import signal
import sys


def main() -> int:
    """Run the command and return its exit code. SIGTERM ends it as an exception, so nothing half-written is left."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        from softmaxd.cli.main import main as run  # noqa: PLC0415 - Ctrl-C may come while it is imported

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("softmaxd: interrupted\n")
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
