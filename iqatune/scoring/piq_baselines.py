"""Baselines that piq computes, with its defaults.

Kastryulin, Zakirov, Prokopenko and Dylov 2022, 'PyTorch Image Quality: Metrics for Image Quality Assessment'. SSIM,
MS-SSIM and VIF see luma (BT.601), as in the papers that define them; the others see RGB, and take what they need.
"""

from collections.abc import Callable

from iqatune.scoring.baselines import Baseline, Compare


def _of_piq(function: str) -> Callable[[], Compare]:
    def build() -> Compare:
        import piq

        compare = getattr(piq, function)
        return lambda reference, distorted: compare(distorted, reference, data_range=1.0)

    return build


def _piq(
    name: str,
    function: str,
    description: str,
    *,
    luma: bool = False,
    minimum_size: int = 1,
    higher_is_better: bool = True,
    bounded: bool = True,
) -> Baseline:
    return Baseline(
        name=name,
        description=description,
        package="piq",
        module="piq",
        build=_of_piq(function),
        luma=luma,
        minimum_size=minimum_size,
        higher_is_better=higher_is_better,
        extra="baselines",
        at_identity=(1.0 if higher_is_better else 0.0) if bounded else None,
    )


PSNR = _piq("psnr", "psnr", "peak signal-to-noise ratio, RGB", bounded=False)
SSIM = _piq("ssim", "ssim", "structural similarity, luma, downsampled as by its authors", luma=True, minimum_size=11)
MS_SSIM = _piq("ms-ssim", "multi_scale_ssim", "multi-scale structural similarity, luma", luma=True, minimum_size=161)
FSIM = _piq("fsim", "fsim", "feature similarity with chrominance (FSIMc), RGB", minimum_size=2)
VIF = _piq("vif", "vif_p", "visual information fidelity in the pixel domain, luma", luma=True, minimum_size=41)
VSI = _piq("vsi", "vsi", "visual saliency-induced index, RGB")
MDSI = _piq("mdsi", "mdsi", "mean deviation similarity index, RGB; a distance", higher_is_better=False)
HAARPSI = _piq("haarpsi", "haarpsi", "Haar wavelet-based perceptual similarity, RGB", minimum_size=16)
GMSD = _piq("gmsd", "gmsd", "gradient magnitude similarity deviation, luma of RGB; a distance", higher_is_better=False)
