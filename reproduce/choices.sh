#!/usr/bin/env bash
# The evidence for our learning rate: short runs on the first of six folds of the training stack, which no reported run
# is scored on. About half an hour on two CPU cores. Writes results/isbi/choices/.
# bash reproduce/choices.sh --data DIR
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
runs=()
for rate in 0.001 0.002 0.004 0.008 0.016 0.032; do
    bash "$here/isbi.sh" --require-real --profile quick --fold 1/6 --run "choices/learning-rate-$rate" \
        --set "learning_rate=$rate" --set steps=1000 --set averages=none --set headline=none "$@"
    runs+=("results/isbi/choices/learning-rate-$rate")
done
cd "$here/.."
.venv/bin/python -m unet_paper report --compare results/isbi/choices/README.md "${runs[@]}" >/dev/null
cat results/isbi/choices/README.md
