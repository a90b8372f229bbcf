#!/bin/sh
# Random stories of followed sources (schemas, writers, snapshots, passes, crashes), from a seed that nobody chose, one
# round after the other for so many minutes; each story that fails prints its seed.
set -eu
minutes=${1:-10}
stories=${2:-20}
case $minutes$stories in
*[!0-9]*)
    echo "usage: tests/scripts/soak.sh [MINUTES [STORIES A ROUND]]" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/../.."
ends=$(($(date +%s) + minutes * 60))
rounds=0
while [ "$rounds" -eq 0 ] || [ "$(date +%s)" -lt "$ends" ]; do
    LITEFERRY_STORY=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
    LITEFERRY_STORIES=$stories
    export LITEFERRY_STORY LITEFERRY_STORIES
    echo "round $((rounds + 1)): $stories stories from seed $LITEFERRY_STORY"
    cargo test --quiet --test it -- live::story
    rounds=$((rounds + 1))
done
echo "$rounds rounds of $stories stories without a finding"
