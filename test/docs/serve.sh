#!/usr/bin/env bash
# Starts a program that serves, and returns once it is ready, as a reader goes on in another terminal. What ends first
# is shown with its own exit code. Arguments: a name, and the command.
log=$(mktemp "$RESULTS/$1.XXXXXX")
shift
setsid "$@" >"$log.out" 2>"$log" </dev/null &
pid=$!
until grep -q '"msg":"ready"' "$log"; do
  if ! kill -0 $pid 2>/dev/null; then
    cat "$log.out"
    cat "$log" >&2
    wait $pid
    exit
  fi
  sleep 0.02
done
echo $pid >>"$RESULTS/started"
