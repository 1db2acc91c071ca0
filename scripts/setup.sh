#!/bin/sh
# Installs the locked dependencies, the pinned Node among them, when they are missing or out of date. Quiet when
# there is nothing to do. Needs any Node with npm 7 or newer; leaves nothing outside of the checkout.
set -eu
case $0 in */*) dir=${0%/*} ;; *) dir=. ;; esac
cd "$dir/.."

want=$(cksum package-lock.json)
stamp=node_modules/.sejf-setup
current() { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; }
current && exit 0

command -v npm >/dev/null 2>&1 || {
  echo "sejf: npm is needed for the first set-up; install Node.js with npm and run this again" >&2
  exit 1
}

# One set-up at a time; a lock that a killed one left behind is taken over after ten minutes.
lock=.sejf-setup.lock
waited=0
until mkdir "$lock" 2>/dev/null; do
  [ "$waited" -eq 0 ] && echo "sejf: waiting for another set-up in this checkout" >&2
  sleep 1
  waited=$((waited + 1))
  [ "$waited" -ge 600 ] && rmdir "$lock" 2>/dev/null
done
trap 'rmdir "$lock" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
current && exit 0

echo "sejf: installing the locked dependencies (once)" >&2
cache=
[ -w "${HOME:-/nonexistent}" ] || cache="--cache node_modules/.npm-cache"
if [ -d node_modules ]; then
  # shellcheck disable=SC2086
  npm install --no-save --include=dev --include=optional --ignore-scripts --no-audit --no-fund --loglevel=error $cache >&2
else
  # shellcheck disable=SC2086
  npm ci --include=dev --include=optional --ignore-scripts --no-audit --no-fund --loglevel=error $cache >&2
fi
printf '%s' "$want" >"$stamp"
