"""Decoding against independent computations: frames by time, sound in step, odd files refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import VideoReformatter
from PIL import Image

from cmpie_lite.errors import DataError
from data_fetch.extract.decode import NUM_SAMPLES, read_waveform
from data_fetch.extract.frames import upright
from data_fetch.extract.video import IMAGENET, KINETICS, crop, normalize, read_clip, squash
from tests.video_files import by_hand, number_of, numbered, shown, tone, write_video


@pytest.mark.parametrize("fps", [5.0, 8.0, 10.0, 23.976, 24.0, 25.0])
def test_frames_are_chosen_by_time(tmp_path: Path, fps: float) -> None:
    count = int(10 * fps)
    path = write_video(tmp_path / "a.mp4", [numbered(i) for i in range(count)], fps)
    assert shown(path) == by_hand([i / fps for i in range(count)])


def test_eight_frames_a_second_are_taken_one_by_one(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", [numbered(i) for i in range(80)], 8.0, codec="ffv1")
    assert shown(path) == list(range(80))


def test_variable_frame_rate(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = [0.0, *(np.cumsum(rng.integers(8, 120, 150)) / 1000).tolist()]  # 8 to 120 ms apart
    path = write_video(tmp_path / "a.mkv", [numbered(i) for i in range(151)], times, codec="ffv1")
    assert shown(path) == by_hand(times)


@pytest.mark.parametrize("fps", [10.0, 16.0, 23.976, 25.0, 48.0])
def test_choice_is_that_of_the_fps_filter(tmp_path: Path, fps: float) -> None:
    """libavfilter's own `fps=8`, which is what `ffmpeg -r 8` of LLP's authors does, picks the same frames."""
    path = write_video(tmp_path / "a.mp4", [numbered(i % 256) for i in range(int(10 * fps))], fps)
    with av.open(str(path)) as container:
        graph = av.filter.Graph()
        source = graph.add_buffer(template=container.streams.video[0])
        chosen, sink = graph.add("fps", "8"), graph.add("buffersink")
        source.link_to(chosen)
        chosen.link_to(sink)
        graph.configure()
        numbers = []
        for frame in [*container.decode(video=0), None]:
            source.push(frame)
            while True:
                try:
                    numbers.append(number_of(sink.pull().to_image()))
                except (av.BlockingIOError, av.EOFError):
                    break
    assert shown(path) == numbers[:80]


def test_start_and_length(tmp_path: Path) -> None:
    frames = [numbered(i) for i in range(250)]
    path = write_video(tmp_path / "a.mp4", frames, 20.0, sound=tone(12.5), sound_codec="aac")
    notes: list[str] = []
    assert shown(path, 0.0, notes) == by_hand([i / 20 for i in range(250)])
    assert notes == ["longer than 10 s (12.50 s): 0 s to 10 s are used"]
    assert shown(path, 2.5) == by_hand([i / 20 for i in range(250)], 2.5)
    notes = []
    assert shown(path, 8.0, notes)[-1] == 249
    assert notes == ["video ends 4.50 s after the start: filled up to 10 s with the last frame repeated"]
    with pytest.raises(DataError, match=r"0\.50 s of video from 12 s on, expected at least 1 s"):
        shown(path, 12.0)
    with pytest.raises(DataError, match=r"0\.00 s of video from 99 s on"):
        shown(path, 99.0)


def test_sound_is_16_khz_mono_in_step(tmp_path: Path) -> None:
    """A click at 3 s in one of two 44.1 kHz channels: half as loud in the mean, at sample 48000."""
    sound = np.zeros((2, 441_000), np.int16)
    sound[0, 132_300 : 132_300 + 441] = 16_384
    path = write_video(tmp_path / "a.mkv", [numbered(0)] * 80, 8.0, sound=sound, rate=44_100, codec="ffv1")
    waveform = read_waveform(path)
    assert waveform is not None
    assert waveform.shape == (NUM_SAMPLES,)
    assert waveform.dtype == np.float32
    assert waveform[48_020:48_140] == pytest.approx(0.25, abs=0.02)
    assert np.abs(waveform[:47_900]).max() < 0.01 > np.abs(waveform[48_300:]).max()


def test_sound_begins_late_and_ends_early(tmp_path: Path) -> None:
    path = write_video(
        *(tmp_path / "a.mkv", [numbered(0)] * 80, 8.0),
        **{"sound": tone(4.0), "codec": "ffv1", "sound_start": 2.0},
    )
    notes: list[str] = []
    waveform = read_waveform(path, notes=notes)
    assert waveform is not None
    loud = np.abs(waveform.reshape(10, -1)).max(axis=1) > 0.1
    assert loud.tolist() == [False, False, True, True, True, True, False, False, False, False]
    assert notes == ["audio ends 6.00 s after the start: filled up to 10 s with silence"]


def test_seeking_gives_the_same_sound(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sound = (3000 * rng.standard_normal((1, 16_000 * 14))).astype(np.int16)
    path = write_video(tmp_path / "a.mkv", [numbered(i) for i in range(112)], 8.0, sound=sound, codec="ffv1")
    waveform, later = read_waveform(path), read_waveform(path, 3.5)
    assert waveform is not None
    assert later is not None
    np.testing.assert_array_equal(waveform, sound[0, :160_000] / np.float32(32768))
    np.testing.assert_array_equal(later, sound[0, 56_000:216_000] / np.float32(32768))


def test_one_pixel_and_banners(tmp_path: Path) -> None:
    for size in ((1, 1), (2, 900), (900, 2)):
        frame = np.full((*size, 3), (200, 100, 50), np.uint8)
        path = write_video(tmp_path / "a.mkv", [frame] * 80, 8.0, sound=tone(10), codec="ffv1")
        clip = read_clip(path)
        assert clip.cropped.shape == (80, 224, 224, 3)
        assert clip.squashed.shape == (80, 112, 112, 3)
        assert (clip.cropped == (200, 100, 50)).all()
        assert (clip.squashed == (200, 100, 50)).all()


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (64, 64), (1280, 720), (257, 999), (30, 31)])
def test_crop_is_resize_then_crop(size: tuple[int, int]) -> None:
    """Shorter side to 256, longer in proportion (floor), then the central 224: the textbook order."""
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    resized = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
    left, top = (round((side - 224) / 2) for side in resized)
    whole = image.resize(resized, Image.Resampling.BILINEAR)
    expected = np.asarray(whole.crop((left, top, left + 224, top + 224))).astype(int)
    assert np.abs(crop(image) - expected).max() <= 1


def test_squash_and_normalisation_by_hand() -> None:
    image = Image.fromarray(np.full((90, 160, 3), (255, 0, 51), np.uint8))
    squashed = squash(image)
    assert squashed.shape == (112, 112, 3)
    values = normalize(torch.tensor(squashed)[None], KINETICS)
    assert values.shape == (1, 3, 112, 112)
    by_hand = [(1 - 0.43216) / 0.22803, (0 - 0.394666) / 0.22145, (0.2 - 0.37645) / 0.216989]
    assert values[0, :, 5, 7].tolist() == pytest.approx(by_hand, abs=1e-6)
    values = normalize(torch.tensor(crop(image))[None], IMAGENET)
    by_hand = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    assert values[0, :, 200, 0].tolist() == pytest.approx(by_hand, abs=1e-6)


def test_no_sound_is_refused_unless_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [numbered(0)] * 80, 8.0)
    with pytest.raises(DataError, match=r"no audio track.*--silent-audio"):
        read_clip(path)
    clip = read_clip(path, silent_audio=True)
    assert not clip.waveform.any()
    assert clip.notes == ("no audio track: taken as silence",)


def test_refuses_what_is_no_video(tmp_path: Path) -> None:
    sound_only, text, empty = tmp_path / "a.mka", tmp_path / "a.mp4", tmp_path / "b.mp4"
    with av.open(str(sound_only), "w") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        block = av.AudioFrame.from_ndarray(tone(10), format="s16", layout="mono")
        block.sample_rate, block.pts = 16_000, 0
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    text.write_text("not a video\n" * 100)
    empty.touch()
    picture = tmp_path / "a.png"
    Image.new("RGB", (64, 64)).save(picture)
    playlist = tmp_path / "a.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\na.mp4\n#EXT-X-ENDLIST\n")
    for path, message in [
        (sound_only, "no video track"),
        (text, "cannot be decoded as video"),
        (empty, "the file is empty"),
        (picture, "no audio track|of video"),
        (playlist, "cannot be decoded|playlist"),
        (tmp_path, "no such file"),
        (tmp_path / "none.mp4", "no such file"),
    ]:
        with pytest.raises(DataError, match=message) as caught:
            read_clip(path)
        assert str(path) in str(caught.value)
    with pytest.raises(DataError, match="expected seconds >= 0"):
        read_clip(text, start=-1.0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_truncated_files_are_refused(tmp_path: Path, name: str) -> None:
    """Cut in the middle, a file that says it has 10 s is not silently filled up."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(80)]
    kinds = {"a.mp4": ("libx264", "aac"), "a.mkv": ("ffv1", "flac"), "a.avi": ("mpeg4", "pcm_s16le")}
    codec, sound_codec = kinds[name]
    path = write_video(
        *(tmp_path / name, frames, 8.0),
        **{"sound": tone(10), "codec": codec, "sound_codec": sound_codec},
        container_options={"movflags": "+faststart"} if name == "a.mp4" else {},
    )
    assert read_clip(path).notes == ()
    data = path.read_bytes()
    for share in (0.3, 0.5, 0.8):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(DataError, match=r"truncated or corrupt|damaged|cannot be decoded"):
            read_clip(path)


def test_matroska_tracks_may_end_apart(tmp_path: Path) -> None:
    """Its header tells the file's length only: a picture that ends before the sound is no truncated file."""
    frames = [numbered(i) for i in range(48)]
    path = write_video(tmp_path / "a.mkv", frames, 8.0, sound=tone(10), codec="ffv1")
    notes = read_clip(path).notes
    assert notes == ("video ends 6.00 s after the start: filled up to 10 s with the last frame repeated",)


@pytest.mark.parametrize("kind", ["yuv420p", "yuv411p"])
def test_interlaced_frames_are_converted_whole(tmp_path: Path, kind: str) -> None:
    """As `ffmpeg` does it: by fields, colours would come from rows further off (yuv411p has one for each)."""
    rng = np.random.default_rng(0)
    frame = av.VideoFrame(32, 32, kind)
    for plane in frame.planes:
        plane.update(rng.integers(16, 235, plane.buffer_size, dtype=np.uint8).tobytes())
    frame.pts = 0
    graph = av.filter.Graph()
    source = graph.add_buffer(width=32, height=32, format=frame.format, time_base=Fraction(1, 25))
    marked, sink = graph.add("setfield", "tff"), graph.add("buffersink")
    source.link_to(marked)
    marked.link_to(sink)
    graph.configure()
    source.push(frame)
    interlaced = sink.pull()
    assert interlaced.interlaced_frame
    assert not frame.interlaced_frame
    images = [np.asarray(upright(tmp_path, each, VideoReformatter())) for each in (interlaced, frame)]
    assert np.array_equal(*images)
