"""From one video file to the three official feature arrays of LLP.

audio      (10, 128)   VGGish, one log-mel patch per second
visual_2d  (80, 2048)  ResNet-152, 8 frames per second
visual_3d  (10, 512)   R(2+1)D-18, one clip of 8 frames per second
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from cmpie_lite.data.llp_names import LATEST
from cmpie_lite.errors import DataError
from cmpie_lite.labels import FRAMES_PER_SEGMENT
from cmpie_lite.support.text import user_path
from data_fetch.extract.decode import NUM_FRAMES, NUM_SAMPLES, read_frames, read_waveform
from data_fetch.extract.logmel import log_mel
from data_fetch.extract.weights import Networks

if TYPE_CHECKING:
    from PIL.Image import Image

CROP: Final = 224  # of a frame whose shorter side is RESIZED
RESIZED: Final = 256
SQUASHED: Final = 112
IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of red, green, blue
KINETICS: Final = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))


@dataclass(frozen=True)
class Clip:
    """Ten seconds ready for the networks: uint8 frames (80, 224, 224, 3) and (80, 112, 112, 3), waveform."""

    cropped: np.ndarray
    squashed: np.ndarray
    waveform: np.ndarray
    notes: tuple[str, ...]


@dataclass(frozen=True)
class VideoFeatures:
    """float32 audio (10, 128), visual_2d (80, 2048), visual_3d (10, 512), and what was done to the file."""

    audio: np.ndarray
    visual_2d: np.ndarray
    visual_3d: np.ndarray
    notes: tuple[str, ...]


def extract_video(
    path: Path | str,
    networks: Networks,
    *,
    start: float = 0.0,
    silent_audio: bool = False,
    batch_size: int = 16,
) -> VideoFeatures:
    """Features of ten seconds of a video file, from `start` on.

    Args:
        path: a video file that libav can decode.
        networks: of `load_networks`.
        start: seconds from the beginning of the file.
        silent_audio: take a video without an audio track as silent instead of refusing it.
        batch_size: frames that pass through ResNet-152 at once.

    Raises:
        DataError: not a video, truncated, too short, without sound; the message says which and what to do.
    """
    return features_of([read_clip(user_path(path), start, silent_audio)], networks, batch_size)[0]


def features_of(clips: Sequence[Clip], networks: Networks, batch_size: int = 16) -> list[VideoFeatures]:
    """Features of some clips, which pass through the networks together."""
    arrays = (
        audio_features(clips, networks),
        visual_2d_features(clips, networks, batch_size),
        visual_3d_features(clips, networks),
    )
    each = zip(clips, *arrays, strict=True)
    return [
        VideoFeatures(audio, visual_2d, visual_3d, clip.notes) for clip, audio, visual_2d, visual_3d in each
    ]


def read_clip(path: Path, start: float = 0.0, silent_audio: bool = False) -> Clip:
    """Decode a file and bring its frames to the sizes of the two visual networks.

    Raises:
        DataError: as `extract_video`.
    """
    if not 0.0 <= start <= LATEST:
        raise DataError(f"start = {start!r}, expected seconds >= 0 and <= {LATEST:g}.")
    notes: list[str] = []
    waveform = read_waveform(path, start, notes)
    if waveform is None:
        if not silent_audio:
            raise DataError(
                f"{path}: no audio track; parsing needs sound and picture. --silent-audio takes it as silent."
            )
        waveform = np.zeros(NUM_SAMPLES, np.float32)
        notes.append("no audio track: taken as silence")
    cropped = np.empty((NUM_FRAMES, CROP, CROP, 3), np.uint8)
    squashed = np.empty((NUM_FRAMES, SQUASHED, SQUASHED, 3), np.uint8)
    before: Image | None = None
    for k, image in read_frames(path, start, notes):
        if image is before:  # low frame rates show an image more than once
            cropped[k], squashed[k] = cropped[k - 1], squashed[k - 1]
        else:
            cropped[k], squashed[k] = crop(image), squash(image)
        before = image
    return Clip(cropped, squashed, waveform, tuple(notes))


def crop(image: Image) -> np.ndarray:
    """Shorter side to 256 (bilinear), central 224 x 224: uint8 (224, 224, 3).

    The crop is taken out of the source before resizing, which gives the same pixels and keeps a banner of
    1 x 10000 pixels from becoming 256 x 2560000.
    """
    from PIL.Image import Resampling

    short = min(image.size)
    sides = [RESIZED if side == short else int(RESIZED * side / short) for side in image.size]
    scales = [side / resized for side, resized in zip(image.size, sides, strict=True)]
    corner = [round((side - CROP) / 2) for side in sides]
    left, top = (c * scale for c, scale in zip(corner, scales, strict=True))
    right, bottom = ((c + CROP) * scale for c, scale in zip(corner, scales, strict=True))
    return np.asarray(image.resize((CROP, CROP), Resampling.BILINEAR, box=(left, top, right, bottom)))


def squash(image: Image) -> np.ndarray:
    """The whole frame at 112 x 112 (bilinear), its aspect ratio lost: uint8 (112, 112, 3)."""
    from PIL.Image import Resampling

    return np.asarray(image.resize((SQUASHED, SQUASHED), Resampling.BILINEAR))


def normalize(frames: Tensor, moments: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    """(x / 255 - mean) / deviation per channel: uint8 (N, H, W, 3) to float32 (N, 3, H, W)."""
    mean, deviation = (torch.tensor(m, device=frames.device).view(3, 1, 1) for m in moments)
    return frames.permute(0, 3, 1, 2).float().div_(255.0).sub_(mean).div_(deviation)


def on_device(arrays: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Arrays joined along their first axis, on a device; a GPU gets them from pinned memory."""
    tensor = torch.from_numpy(np.concatenate(arrays) if len(arrays) > 1 else arrays[0])
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@torch.inference_mode()
def audio_features(clips: Sequence[Clip], networks: Networks) -> np.ndarray:
    """VGGish embeddings, float32 (N, 10, 128)."""
    patches = torch.cat([log_mel(torch.from_numpy(clip.waveform)) for clip in clips])
    embedded = networks.audio(patches.to(networks.device))
    return embedded.unflatten(0, (len(clips), -1)).cpu().numpy()


@torch.inference_mode()
def visual_2d_features(clips: Sequence[Clip], networks: Networks, batch_size: int = 16) -> np.ndarray:
    """ResNet-152 features, float32 (N, 80, 2048), computed in batches of frames."""
    frames = on_device([clip.cropped for clip in clips], networks.device)
    parts = [networks.visual_2d(normalize(batch, IMAGENET)) for batch in frames.split(batch_size)]
    return torch.cat(parts).unflatten(0, (len(clips), -1)).cpu().numpy()


@torch.inference_mode()
def visual_3d_features(clips: Sequence[Clip], networks: Networks) -> np.ndarray:
    """R(2+1)D-18 features, float32 (N, 10, 512): each second is a clip of 8 frames."""
    frames = normalize(on_device([clip.squashed for clip in clips], networks.device), KINETICS)
    seconds = frames.unflatten(0, (-1, FRAMES_PER_SEGMENT)).transpose(1, 2)
    return networks.visual_3d(seconds).unflatten(0, (len(clips), -1)).cpu().numpy()
