#!/usr/bin/env bash
# `fairlead` as the documentation's commands find it. A command that serves goes on behind, and this returns once it is
# ready, as a reader does with another terminal. `…` among its words stands for the flags of which the page has spoken.
given=" $* "
words=()
has() { [[ $given == *" $1 "* || $given == *" $1="* ]]; }
say() { has "$1" || words+=("$@"); }
for word in "$@"; do
  if [ "$word" != … ]; then
    words+=("$word")
    continue
  fi
  case $1 in
    broker)
      has --auth-secret-file || has --auth-jwks || has --auth-config || has --auth-key || say --auth-secret-file secret
      say --listen 127.0.0.1:0
      ;;
    agent)
      [ -n "$FAIRLEAD_BROKER" ] || say --broker wss://broker.example.com
      say --node edge-1
      has --cert || say --token-file agent.token
      say --allow 127.0.0.1:22
      ;;
    gateway)
      has --http-connect || has --socks5 || has --proxy || say --http-connect 127.0.0.1:0
      ;;&
    *)
      [ -n "$FAIRLEAD_BROKER" ] || say --broker wss://broker.example.com
      [ -n "$FAIRLEAD_TOKEN_FILE" ] || has --cert || say --token-file dial.token
      ;;
  esac
done

case $1 in
  broker | agent | gateway | forward | up) exec "$PROJECT/test/docs/serve.sh" "$1" "$PROJECT/bin/fairlead" "${words[@]}" ;;
  *) exec "$PROJECT/bin/fairlead" "${words[@]}" ;;
esac
