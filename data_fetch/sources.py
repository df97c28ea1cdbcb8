"""Where everything comes from: addresses, pinned commits, checksums. No other module names a host."""

from __future__ import annotations

import math
from typing import Final

from cmpie_lite.data.llp_names import AUDIO_FILES, FULL_FILE, VISUAL_FILE, WEAK_FILES
from data_fetch.layout import LAYOUT

# --- annotations: the repository of LLP's authors, pinned ---
COMMIT_2024: Final = "fde56118f2c2e7c19188dfefa2569a37b70054fe"  # 2024-04-16, corrects three audio rows
COMMIT_2020: Final = "838984c423b220f35713ae273d514b7ad7db4f82"  # its parent: what every paper used
RAW_HOST: Final = "https://raw.githubusercontent.com/YapengTian/AVVP-ECCV20"

_COMMON: Final = {
    FULL_FILE: "89f112ffc602279c87cc2b2040c4cd42eaf163a9d7e61cf4e74250a343d21e56",
    WEAK_FILES["train"]: "bbeb83e8af46a85075216b213d3464f92dd4ab71468c852ae454b82cc745c0a4",
    WEAK_FILES["val"]: "1811813b54c5f43c3be0a97bd0971cfb8a93818ca7b3ab96cdc7f4ac37ef37a6",
    WEAK_FILES["test"]: "3f7a2b040e3b67c15d08efef25002bf8c5b2320f11049eb99ae0eb2d62f8eb9b",
    VISUAL_FILE: "e2274af694f3f27e38b840e0cd91a9d8d9ac85280f193e90828d26b22db69abe",
}
AUDIO_2024, AUDIO_2020 = AUDIO_FILES["2024"], AUDIO_FILES["2020"]  # the authors call both as that of 2024

# Local file name -> (path below RAW_HOST, sha256).
ANNOTATION_FILES: Final = {
    **{name: (f"{COMMIT_2024}/data/{name}", sha256) for name, sha256 in _COMMON.items()},
    AUDIO_2024: (
        f"{COMMIT_2024}/data/{AUDIO_2024}",
        "d5435664668bec6e7eafb39059d2f424ed2682f6b55395262fc3cb691b7d0778",
    ),
    AUDIO_2020: (
        f"{COMMIT_2020}/data/{AUDIO_2024}",
        "249122f65501d8d611c0027a48643798fe622bedee60f7e6224b5a8e3c02f886",
    ),
}

# --- features: the authors' archive; its size and checksum are published nowhere ---
FEATURES_ID: Final = "10CeaI1G9uIyz5dKnd7XTeH9-qOehC7CL"
FEATURES_URL: Final = f"https://drive.google.com/uc?id={FEATURES_ID}"
# float32 values of 11849 videos, without their headers of 128 bytes: 8.1 GB
FEATURES_BYTES: Final = 11849 * 4 * sum(math.prod(shape) for shape in LAYOUT.values())

# --- networks: torch.hub's convention, the hex suffix of the name begins the file's sha256 ---
WEIGHTS: Final = {
    # torchvision, ResNet152_Weights.IMAGENET1K_V1 (the values of resnet152-b121ed2d.pth, saved anew in 2020)
    "resnet152": "https://download.pytorch.org/models/resnet152-394f9c45.pth",
    # torchvision, R2Plus1D_18_Weights.KINETICS400_V1
    "r2plus1d_18": "https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth",
    # torchvggish 0.1, ported from AudioSet's TensorFlow checkpoint
    "vggish": "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
}
