"""A small model of every family of timm's, and what is tried with each: for the test over them and for the table.

`PYTHONPATH=. python scripts/backbones_table.py` writes the table in docs/backbones.md.
"""

import math

import numpy as np
import torch

from iqatune.backbones.network import Backbone
from iqatune.errors import InputError
from iqatune.metric.module import weighted_losses
from iqatune.metric.moments import centre
from iqatune.metric.weights import uniform_weights

MODELS: dict[str, str] = {
    # convolutional
    "resnet10t": "ResNet",
    "mobilenetv2_100": "MobileNetV2",
    "mobilenetv3_small_050": "MobileNetV3",
    "efficientnet_lite0": "EfficientNet",
    "convnext_atto": "ConvNeXt",
    "convnextv2_atto": "ConvNeXt V2",
    "densenet121": "DenseNet",
    "dla46_c": "DLA",
    "hrnet_w18_small": "HRNet",
    "ghostnet_050": "GhostNet",
    "regnetx_002": "RegNet",
    "ese_vovnet19b_dw": "VoVNet",
    "tresnet_m": "TResNet",
    "inception_next_atto": "InceptionNeXt",
    "res2net50_26w_4s": "Res2Net",
    "rexnet_100": "ReXNet",
    "fasternet_t0": "FasterNet",
    "mobileone_s0": "MobileOne",
    "starnet_s1": "StarNet",
    "hgnetv2_b0": "PP-HGNet",
    "lcnet_050": "LCNet",
    "repvit_m0_9": "RepViT",
    # of convolutions and attention
    "edgenext_xx_small": "EdgeNeXt",
    "fastvit_t8": "FastViT",
    "mobilevit_xxs": "MobileViT",
    "mobilevitv2_050": "MobileViT V2",
    "efficientvit_b0": "EfficientViT (MIT)",
    "efficientvit_m0": "EfficientViT (MSRA)",
    "poolformer_s12": "PoolFormer",
    "mambaout_femto": "MambaOut",
    "tiny_vit_5m_224": "TinyViT",
    "pvt_v2_b0": "PVT V2",
    "visformer_tiny": "Visformer",
    "maxvit_rmlp_pico_rw_256": "MaxViT",
    "coatnet_nano_rw_224": "CoAtNet",
    "coat_lite_mini": "CoaT",
    "efficientformerv2_s0": "EfficientFormer V2",
    "levit_128s": "LeViT",
    # of attention
    "vit_tiny_patch16_224": "ViT",
    "deit_tiny_patch16_224": "DeiT",
    "vit_small_patch14_dinov2": "DINOv2",
    "vit_small_patch16_dinov3": "DINOv3",
    "eva02_tiny_patch14_224": "EVA-02",
    "flexivit_small": "FlexiViT",
    "xcit_nano_12_p16_224": "XCiT",
    "cait_xxs24_224": "CaiT",
    "convit_tiny": "ConViT",
    "crossvit_tiny_240": "CrossViT",
    "tnt_s_legacy_patch16_224": "TNT",
    "pit_ti_224": "PiT",
    "swin_tiny_patch4_window7_224": "Swin",
    "swinv2_tiny_window8_256": "Swin V2",
    "twins_svt_small": "Twins",
    "hiera_tiny_224": "Hiera",
    "nest_tiny": "NesT",
    "gcvit_xxtiny": "GC ViT",
    "mvitv2_tiny": "MViT V2",
    # of neither
    "mixer_s32_224": "MLP-Mixer",
    "resmlp_12_224": "ResMLP",
}
"""Families by a small model of each."""

QUICK = (
    "mobilenetv3_small_050",
    "hrnet_w18_small",
    "vit_tiny_patch16_224",
    "pvt_v2_b0",
    "visformer_tiny",
    "levit_128s",
)
"""Those that are always tried: taken as it is, padded, built for a size, and refused."""

SIZES = {(341, 256): "341x256", (224, 224): "224x224", (512, 384): "512x384", (371, 256): "371x256"}
"""Width and height of the images that are tried: of TID2013 as a search resizes it, of ImageNet's models, of TID2013
itself, and of LIVE (634x438) as a search resizes it."""


@torch.inference_mode()
def taken(backbone: Backbone, width: int, height: int) -> str:
    """How a backbone takes a pair of images of a size, in words, or that it refuses it.

    The pair is an image of noise and the same with its contrast halved: where it is taken every stage has its channels,
    and D under uniform weights is above 0 for the pair, and 0 for the image and itself.

    Raises:
        ValueError: when it is not so.
    """
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    weights = uniform_weights(backbone.channels)
    alpha, beta = (
        [torch.from_numpy(part).float() for part in np.split(values, np.cumsum(backbone.channels)[:-1])]
        for values in (weights.alpha, weights.beta)
    )
    try:
        stages = backbone(torch.cat((image, 0.25 + 0.5 * image)))
    except InputError as error:
        line = str(error)
        fits = line[line.index("it is made for") :].partition(" (")[0]
        return f"refused: {fits}"
    reference = [centre(maps[[0, 0]]) for maps in stages]
    losses = weighted_losses(reference, [maps[[1, 0]] for maps in stages], alpha, beta)
    other, same = (losses.l + losses.s).sum(dim=1).tolist()
    if tuple(maps.shape[1] for maps in stages) != backbone.channels:
        raise ValueError(f"{backbone.name}: maps of {[maps.shape for maps in stages]} for {backbone.channels} channels")
    if not (math.isfinite(other) and other > 1e-4 and abs(same) < 1e-6):
        raise ValueError(f"{backbone.name} at {width}x{height}: D {other}, and {same} of one image")
    if backbone.padding is None:
        return "as it is"
    rows, columns = backbone.padding.padded(height, width)
    is_built = backbone.is_built_for_sizes and (rows, columns) != (backbone.made_for,) * 2
    padded = "as it is" if (rows, columns) == (height, width) else f"padded to {columns}x{rows}"
    return padded + (", resampled" if is_built else "")
