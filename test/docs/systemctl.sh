#!/usr/bin/env bash
# `systemctl` where no systemd runs: `enable --now` starts what the units in /etc/systemd/system say to start.
[ "$1" = daemon-reload ] && exit
[ "$1 $2" = 'enable --now' ] || { echo "systemctl $*: not here" >&2 && exit 1; }
shift 2
for name in "$@"; do
  unit=/etc/systemd/system/$name.service
  command=$(sed -n 's/^ExecStart=//p' "$unit")
  (
    export CREDENTIALS_DIRECTORY=/run/credentials/$name
    mkdir -p "$CREDENTIALS_DIRECTORY"
    for credential in $(sed -n 's/^LoadCredential=//p' "$unit"); do
      cp "${credential#*:}" "$CREDENTIALS_DIRECTORY/${credential%%:*}"
    done
    for setting in $(sed -n 's/^Environment=//p' "$unit"); do export "$setting"; done
    command=${command//%H/$(hostname)}
    eval "${command/#\/usr\/bin\/fairlead/fairlead}"
  ) || exit
done
