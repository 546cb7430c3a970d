#!/usr/bin/env bash
# The `quick` run with four more seeds as cron would start it: no terminal, no HOME, an empty environment, the C locale,
# a source tree that cannot be written, and a path with spaces and letters beyond ASCII. 45 minutes on two CPU cores.
# bash reproduce/clean_days.sh DATA PLACE [SEED ...]     (DATA: folder of the stacks; PLACE: a new folder for copy and
# results; default: seeds 1 2 3 4)
set -euo pipefail
if (($# < 2)); then
    echo "usage: bash reproduce/clean_days.sh DATA PLACE [SEED ...]" >&2
    exit 2
fi
unset CDPATH # with it cd prints the folder
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=environment.sh
source "$here/environment.sh"
data="$(cd "$1" && pwd)"
mkdir "$2"
place="$(cd "$2" && pwd)"
tree="$place/a path with späces"
shift 2
(($#)) || set -- 1 2 3 4
results="$place/résults"
mkdir "$results"
git clone --quiet "$root" "$tree" # what is committed
chmod -R a-w "$tree"
if [ "$(id -u)" = 0 ]; then # root writes in spite of that
    mount --bind "$tree" "$tree"
    trap 'umount "$tree"' EXIT
    mount -o remount,bind,ro "$tree"
fi
for seed in "$@"; do
    env -i PATH="$PATH" UNET_PAPER_PYTHON="$python" HOME=/nonexistent LC_ALL=C bash "$tree/reproduce/isbi.sh" --data "$data" --results "$results" \
        --profile quick --run "seed-$seed" --set "seed=$seed" </dev/null >"$place/seed-$seed.log" 2>&1
    echo "seed $seed: done"
done
