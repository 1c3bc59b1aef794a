#!/usr/bin/env bash
# A tuned SqueezeNet beside the human scores of 625 real images of TID2013 and their published deviations: scatter plots,
# residuals, and the noise ceiling. Run it in the project's folder; the images are made in runs/tid2013, from the references
# in $IQATUNE_TEST_DATA, else in ../shared/data. Some minutes on two cores.
set -euo pipefail
data=${IQATUNE_TEST_DATA:-../shared/data}
output=${1:-results/scatter}
mkdir -p runs

test -e runs/tid2013/mos_with_names.txt || python "$data/tid2013/rebuild.py" runs/tid2013
python - "$data/tid2013/pairs.csv" runs/tid2013/pairs.csv <<'PYTHON'
import sys
import pandas
from iqatune.datasets.tid2013 import DISTORTIONS

pairs = pandas.read_csv(sys.argv[1])
pairs["reference"] = "reference_images/" + pairs["reference"]
pairs["distorted"] = "distorted_images/" + pairs["distorted"]
pairs["distortion"] = [DISTORTIONS[number - 1] for number in pairs["type"]]
pairs = pairs.rename(columns={"mos": "score", "mos_std": "score_std"})
pairs[["reference", "distorted", "distortion", "level", "score", "score_std"]].to_csv(sys.argv[2], index=False)
PYTHON
for searcher in fit nevergrad; do
    iqatune search --dataset csv --pairs runs/tid2013/pairs.csv --better higher --backbone squeezenet \
        --backbone-weights "$data/weights/squeezenet1_1_imagenet_fp16.pth" --searcher "$searcher" --output "$output"
done
iqatune report "$output" --score --baseline psnr
