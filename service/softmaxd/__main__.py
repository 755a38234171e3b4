"""The process of the `softmaxd` command, which `python -m softmaxd` is, too: its signals, from the first import on."""

import sys

INTERRUPTED = 130  # as a shell reports it: 128 + SIGINT


def main() -> int:
    """Run the command and return its exit code. SIGTERM ends it as an exception, so nothing half-written is left."""
    try:
        import signal  # noqa: PLC0415 - Ctrl-C may come while it is imported

        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
        from softmaxd.cli.main import main as run  # noqa: PLC0415 - so it may here

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("softmaxd: interrupted\n")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
