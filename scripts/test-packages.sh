#!/bin/sh
# What some tests need from Debian: a browser, and WordNet. Where it is missing and can be installed, it is; otherwise
# those tests are skipped and say why.
missing=""
command -v chromium >/dev/null || missing="chromium"
[ -f /usr/share/wordnet/index.noun ] || missing="$missing wordnet-base"
[ -z "$missing" ] && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
    >/dev/null 2>&1 && exit 0
fi
echo "not installed: $missing ($(command -v apt-get >/dev/null && echo 'apt-get needs root' || echo 'there is no apt-get')): some tests will be skipped"
