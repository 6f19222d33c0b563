#!/bin/bash
set -euo pipefail
log() { echo "$(date) $*" >&2; }
if [ -n "${WAIT_FOR:-}" ]; then
    until nc -z "$WAIT_FOR" 5432; do sleep 1; done
fi
if [[ "${1:0:1}" = '-' ]]; then
    set -- python "$@"
fi
case "$1" in
    migrate) exec python manage.py migrate ;;
    *) log "starting"; exec "$@" ;;
esac
