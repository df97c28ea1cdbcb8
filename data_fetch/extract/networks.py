"""The three feature extractors as plain modules, with the parameter names of the published weights.

ResNet-152 (He et al. 2016, stride in the 3x3 convolution) and R(2+1)D-18 (Tran et al. 2018) carry
torchvision's names, VGGish (Hershey et al. 2017) those of its PyTorch port. Only what makes features is
built, no classifier. torchvision itself is not needed, and so cannot clash with the installed torch.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.labels import AUDIO_DIM, VISUAL_2D_DIM, VISUAL_3D_DIM


class Bottleneck(nn.Module):
    """1x1, 3x3 (strided) and 1x1 convolutions around a shortcut; the width grows fourfold."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            project = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNet152(nn.Module):
    """ResNet-152 up to its global average: 2048 values per frame, all >= 0."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = self._stage(64, 64, blocks=3, stride=1)
        self.layer2 = self._stage(256, 128, blocks=8, stride=2)
        self.layer3 = self._stage(512, 256, blocks=36, stride=2)
        self.layer4 = self._stage(1024, 512, blocks=3, stride=2)

    @staticmethod
    def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
        first = Bottleneck(inputs, width, stride)
        return nn.Sequential(first, *(Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)))

    def forward(self, frames: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 2048"]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(frames))), 3, 2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((2, 3))


def _conv2plus1d(inputs: int, middle: int, outputs: int, stride: int) -> nn.Sequential:
    """A 3x3x3 convolution split into space (1x3x3) and time (3x1x1), with a ReLU between."""
    return nn.Sequential(
        nn.Conv3d(inputs, middle, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(),
        nn.Conv3d(middle, outputs, (3, 1, 1), (stride, 1, 1), padding=(1, 0, 0), bias=False),
    )


class BasicBlock(nn.Module):
    """Two split convolutions around a shortcut; both share the middle width of the first.

    The middle width keeps the number of parameters of an unsplit 3x3x3 convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        middle = 27 * inputs * outputs // (9 * inputs + 3 * outputs)
        first = _conv2plus1d(inputs, middle, outputs, stride)
        second = _conv2plus1d(outputs, middle, outputs, 1)
        self.conv1 = nn.Sequential(first, nn.BatchNorm3d(outputs), nn.ReLU())
        self.conv2 = nn.Sequential(second, nn.BatchNorm3d(outputs))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            project = nn.Conv3d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.conv2(self.conv1(x)) + shortcut)


class R2Plus1D18(nn.Module):
    """R(2+1)D-18 up to its global average: 512 values per clip of frames, all >= 0."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, 45, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False),
            nn.BatchNorm3d(45),
            nn.ReLU(),
            nn.Conv3d(45, 64, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(),
        )
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))

    def forward(self, clips: Float[Tensor, "N 3 F H W"]) -> Float[Tensor, "N 512"]:
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(clips)))))
        return x.mean((2, 3, 4))


class VGGish(nn.Module):
    """VGGish: the raw embedding of one log-mel patch, 128 values, all >= 0; no PCA, no quantisation.

    The convolution's map is flattened with channels last, as the original's was.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for outputs, pool in ((64, True), (128, True), (256, False), (256, True), (512, False), (512, True)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if pool else []
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            *(nn.Linear(512 * 6 * 4, 4096), nn.ReLU()),
            *(nn.Linear(4096, 4096), nn.ReLU()),
            *(nn.Linear(4096, AUDIO_DIM), nn.ReLU()),
        )

    def forward(self, patches: Float[Tensor, "N 1 96 64"]) -> Float[Tensor, "N 128"]:
        return self.embeddings(self.features(patches).permute(0, 2, 3, 1).flatten(1))


class CoarseGrid(nn.Module):
    """A coarse average of the input, one random linear layer, ReLU: a stand-in that costs next to nothing."""

    def __init__(self, grid: tuple[int, ...], inputs: int, outputs: int) -> None:
        super().__init__()
        self.pool = {2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[len(grid)](grid)
        self.project = nn.Linear(inputs * math.prod(grid), outputs)

    def forward(self, x: Float[Tensor, "N ..."]) -> Float[Tensor, "N D"]:
        average = self.pool(x.float()).to(x.dtype)  # PyTorch sums three axes in the precision of its input
        return F.relu(self.project(average.flatten(1)))


def tiny_audio() -> nn.Module:
    """Stands in for VGGish: same shapes, 6 x 64 averages of the patch."""
    return CoarseGrid((6, 64), 1, AUDIO_DIM)


def tiny_visual_2d() -> nn.Module:
    """Stands in for ResNet-152: same shapes, 8 x 8 averages of the frame's colours."""
    return CoarseGrid((8, 8), 3, VISUAL_2D_DIM)


def tiny_visual_3d() -> nn.Module:
    """Stands in for R(2+1)D-18: same shapes, 4 x 8 x 8 averages of the clip's colours."""
    return CoarseGrid((4, 8, 8), 3, VISUAL_3D_DIM)
