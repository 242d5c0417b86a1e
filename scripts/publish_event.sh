#!/usr/bin/env bash
# Publishes one event:
#   scripts/publish_event.sh --topic TOPIC --payload JSON [--correlation-id ID]
# Everything that follows is passed to "omnibus publish", whose other flags work too.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
omnibus=${OMNIBUS:-}
if [[ -z $omnibus && -x $root/bin/omnibus ]]; then
	omnibus=$root/bin/omnibus
elif [[ -z $omnibus ]]; then
	omnibus=$(command -v omnibus) || {
		echo "publish_event.sh: there is no omnibus in \$OMNIBUS, $root/bin or the PATH; build it: cd '$root' && go build -o bin/omnibus ./cmd/omnibus" >&2
		exit 127
	}
fi
exec "$omnibus" publish "$@"
