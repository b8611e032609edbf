#!/usr/bin/env bash
# `docker` without an engine: `docker compose up` starts the services of compose.yaml as processes.
case "$*" in
  'compose up --detach') exec node "$PROJECT/dist/test/docs/docker.js" compose.yaml ;;
  *) echo "docker $*: not without an engine" >&2 && exit 1 ;;
esac
