"""`scoregate`, and `python -m scoregate`. Light: Ctrl-C ends it with one line from its first moment on."""

import sys

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main() -> None:
    """Load the command, and run it."""
    try:
        from scoregate import cli

        cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
