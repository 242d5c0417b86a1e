#!/usr/bin/env python3
"""Sends dead letters again:

    python3 scripts/reprocess_dlq.py --dlq-topic TOPIC.dlq [--limit N]

Everything that follows is passed to "omnibus dlq retry", whose other flags work too. It shows a plan first: on a terminal it
asks, elsewhere it exits 9 and the last line on standard error is the command that does it.
"""

import os
import shlex
import shutil
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def omnibus():
    """Returns the path of the binary, or None."""
    built = os.path.join(ROOT, "bin", "omnibus")
    return os.environ.get("OMNIBUS") or (built if os.access(built, os.X_OK) else shutil.which("omnibus"))


def main():
    binary = omnibus()
    if binary is None:
        sys.stderr.write(
            "reprocess_dlq.py: there is no omnibus in $OMNIBUS, %s/bin or the PATH; build it: cd %s && go build -o bin/omnibus ./cmd/omnibus\n"
            % (ROOT, shlex.quote(ROOT))
        )
        sys.exit(127)
    try:
        # The binary takes the place of this process, and with it the terminal, the signals and the exit code.
        os.execv(binary, [binary, "dlq", "retry", *sys.argv[1:]])
    except OSError as err:
        sys.stderr.write("reprocess_dlq.py: cannot run %s: %s\n" % (binary, err.strerror))
        sys.exit(127)


if __name__ == "__main__":
    main()
