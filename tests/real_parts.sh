#!/usr/bin/env bash
# Installs the real parts that the tests drive, where a Debian machine lacks them. Elsewhere the
# tests that need a missing part skip and say so.
set -euo pipefail

cd "$(dirname "$0")/.."
clients=.venv/other-clients
if [ -x .venv/bin/python ] && [ ! -d "$clients" ]; then
    rm -rf "$clients.partial"
    .venv/bin/python -m pip install --quiet --no-deps --target "$clients.partial" \
        -r tests/serve/other_clients.txt && mv "$clients.partial" "$clients" ||
        echo "Not installed: clients of the API. The tests that need them will be skipped."
fi

web=.venv/web-clients
if [ -x .venv/bin/python ] && [ ! -d "$web" ] && command -v npm >/dev/null; then
    # Scripts in one file each: the widget manager of Colab, and what loads it.
    rm -rf "$web.partial" && mkdir -p "$web.partial"
    (cd "$web.partial" && npm pack --silent @jupyter-widgets/html-manager@1.0.15 requirejs@2.3.7 |
        while read -r name; do
            tar -xzf "$name" --wildcards --transform 's#.*/##' '*/dist/embed-amd.js' '*/require.js' 2>/dev/null || true
            rm "$name"
        done) && [ -s "$web.partial/embed-amd.js" ] && mv "$web.partial" "$web" ||
        echo "Not installed: html-manager. The test that needs it will be skipped."
fi

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
