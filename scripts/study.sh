#!/usr/bin/env bash
# The whole published grid on one GPU workstation: statistics on the GPU, searches on all cores, then the report.
#
#   IQATUNE_DATA=/data scripts/study.sh [OUTPUT]
#
# $IQATUNE_DATA holds the data sets as distributed: live/ csiq/ tid2013/ kadid10k/. Stopped at any point and started
# again, it goes on where it was. Other settings, as environment variables:
#   DEVICE     where the CNNs run                   [auto]
#   CACHE      where statistics are kept            [OUTPUT/cache]
#   JOBS       searches side by side                [all cores]
#   ADDRESS    of a Ray cluster that searches instead of this machine's cores
set -euo pipefail

: "${IQATUNE_DATA:?is the folder of the data sets: live/ csiq/ tid2013/ kadid10k/}"
export IQATUNE_DATA
output=${1:-runs/study}
cache=${CACHE:-$output/cache}
device=${DEVICE:-auto}
grid=$(dirname "$0")/../configs/study.yaml

# 1. Statistics first: the only part that needs a GPU, and all that a search reads afterwards.
for dataset in live csiq tid2013 kadid10k; do
  for backbone in vgg19 squeezenet alexnet resnet50 resnet101 xception; do
    iqatune extract --dataset "$dataset" --backbone "$backbone" --device "$device" --cache-dir "$cache"
  done
done

# 2. All searches. Exit code 1 says that some failed: the report is still of those that did not.
failed=0
iqatune sweep "$grid" --device "$device" --cache-dir "$cache" --output "$output/results" \
  ${JOBS:+--jobs "$JOBS"} ${ADDRESS:+--address "$ADDRESS"} || failed=$?
[ "$failed" -le 1 ] || exit "$failed"

# 3. Tables and figures.
iqatune report "$output/results" --output "$output/report"
exit "$failed"
