#!/usr/bin/env bash
# `npm` as the documentation's commands find it: `npm run edge` goes on behind.
if [ "$1 $2" = 'run edge' ]; then exec "$PROJECT/test/docs/serve.sh" edge "$NPM" "$@"; fi
exec "$NPM" "$@"
