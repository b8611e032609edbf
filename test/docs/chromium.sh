#!/usr/bin/env bash
# `chromium` for a test: as root, with a profile that is thrown away, and without asking for anything on its own.
exec /usr/bin/chromium --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
  --disable-component-update --disable-sync --user-data-dir="$(mktemp -d /mnt/chromium.XXXX)" "$@" 2>/dev/null
