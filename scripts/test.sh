#!/bin/sh
# Everything that must hold before a change lands: types, layer borders, lint, format, tests.
# `npm test -- PATTERN…` runs only these test files.
set -eu
cd "${0%/*}/.."
tsc -b
oxlint --type-aware
biome format
node scripts/bundle.ts >/dev/null
SEJF_TEST_MAIN=$PWD/dist/bundle/main.js
export SEJF_TEST_MAIN
# Hundreds of test files load the same sources.
NODE_COMPILE_CACHE=$PWD/node_modules/.cache/tests
export NODE_COMPILE_CACHE
# What they derive from passwords, they and the programs that they start derive once.
SEJF_TEST_KEYS=$PWD/node_modules/.cache/test-keys
NODE_OPTIONS="--import=\"$PWD/src/testkit/remembered-keys.ts\"${NODE_OPTIONS:+ $NODE_OPTIONS}"
rm -rf "$SEJF_TEST_KEYS"
export SEJF_TEST_KEYS NODE_OPTIONS
if [ $# -eq 0 ]; then set -- 'src/**/*.test.ts' 'test/**/*.test.ts'; fi
exec node --test --test-concurrency="${SEJF_TEST_CONCURRENCY:-2}" "$@"
