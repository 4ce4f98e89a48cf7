#!/bin/sh
# git runs this for pushes to a deploy branch, once their objects are kept; the build happens in here.
# In git's proc-receive protocol (githooks(5)) we read the version and the commands; two requests then
# wait for the service: one for its lines, one for its answer, which goes to git as it is.
# (curl could carry the protocol by `--upload-file .`, but curl 7.88 takes a whole processor for it, and
# stays when its connection is closed.)
set -eu
repository=$(pwd -P)
cd "$(dirname "$0")"

# Prints the packets of one section, a line each: four hex digits of length, content, up to "0000".
section() {
  while length=$(dd bs=1 count=4 2>/dev/null) && [ -n "$length" ] && [ "$length" != 0000 ]; do
    dd bs=1 count=$((0x$length - 4)) 2>/dev/null
    echo
  done
}

call() {
  curl -q --silent --no-buffer --fail --noproxy '*' --unix-socket socket \
    --connect-timeout 10 --header 'Expect:' \
    --header "hephy-receive: ${HEPHY_RECEIVE_ID-}" \
    --header "hephy-repository: $repository" \
    "$@"
}

section >/dev/null
printf '000dversion=10000'
commands=$(section)
call http://receiver/proc-receive/output </dev/null >&2 &
if ! call --data-raw "$commands" http://receiver/proc-receive; then
  echo "the build service did not answer; push again in a minute" >&2
  exit 1
fi
wait
