#!/bin/sh
# git runs this while a push's objects are in quarantine. Standard input: "<old> <new> <ref>" lines.
# The service's words go to the pusher; any status but 200 refuses the push, and nothing of it stays.
set -eu
repository=$(pwd -P)
cd "$(dirname "$0")"
status=0
curl -q --silent --no-buffer --fail-with-body --noproxy '*' --unix-socket socket \
  --connect-timeout 10 --header 'Expect:' \
  --header "hephy-receive: ${HEPHY_RECEIVE_ID-}" \
  --header "hephy-repository: $repository" \
  --header "hephy-quarantine: ${GIT_QUARANTINE_PATH-}" \
  --data-binary @- http://receiver/pre-receive >&2 || status=$?
if [ "$status" -ne 0 ] && [ "$status" -ne 22 ]; then
  echo "the build service did not answer; nothing was changed, push again in a minute" >&2
fi
exit "$status"
