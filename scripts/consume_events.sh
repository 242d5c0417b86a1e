#!/usr/bin/env bash
# Prints events, and commits as a group what it has printed:
#   scripts/consume_events.sh --topic TOPIC [--group GROUP] [--follow]
# Everything that follows is passed to "omnibus consume", whose other flags work too.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
omnibus=${OMNIBUS:-}
if [[ -z $omnibus && -x $root/bin/omnibus ]]; then
	omnibus=$root/bin/omnibus
elif [[ -z $omnibus ]]; then
	omnibus=$(command -v omnibus) || {
		echo "consume_events.sh: there is no omnibus in \$OMNIBUS, $root/bin or the PATH; build it: cd '$root' && go build -o bin/omnibus ./cmd/omnibus" >&2
		exit 127
	}
fi
exec "$omnibus" consume "$@"
