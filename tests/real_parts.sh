#!/usr/bin/env bash
# Installs the real parts that the tests drive, where a Debian machine lacks them. Elsewhere the
# tests that need a missing part skip and say so.
set -euo pipefail

missing=()
[ -x /usr/bin/chromium ] || command -v google-chrome >/dev/null || missing+=(chromium)
command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
command -v redis-server >/dev/null || missing+=(redis-server)
[ ${#missing[@]} -eq 0 ] && exit 0

run=()
[ "$(id -u)" -eq 0 ] || run=(sudo)
if ! command -v apt-get >/dev/null || { [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; }; then
    echo "Not installed: ${missing[*]}. The tests that need them will be skipped."
    exit 0
fi
"${run[@]}" apt-get update -qq
"${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
