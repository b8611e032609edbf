#!/usr/bin/env bash
# `kubectl` without a cluster: what would be created is made and checked here, and not sent.
kubectl=/usr/bin/kubectl
case " $* " in
  *' apply -k '*) exec $kubectl kustomize "${@: -1}" ;;
  *' create '*) exec $kubectl "$@" --dry-run=client --output=name ;;
  *) exec $kubectl "$@" ;;
esac
