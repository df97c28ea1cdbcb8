"""Time and orientation as files state them: groups of pictures, B-frames, joined files, display matrices.

Every rule was compared with the ffmpeg command, frame for frame; these files are made to order instead.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from cmpie_lite.errors import DataError
from data_fetch.extract.decode import read_frames, read_waveform
from data_fetch.extract.video import read_clip
from data_fetch.fetch.trim import trim
from tests.video_files import (
    by_hand,
    joined,
    numbered,
    shown,
    tone,
    with_matrix,
    with_subtitle,
    write_video,
)

B_FRAMES = {"preset": "veryfast", "crf": "6", "bf": "3", "b-adapt": "0", "x264-params": "scenecut=0"}
TURNS = [(a, 0, 0, d) for a, d in product((1, -1), repeat=2)] + [
    (0, b, c, 0) for b, c in product((1, -1), repeat=2)
]


def hertz(waveform: np.ndarray | None) -> list[int]:
    """The loudest pitch of each of ten seconds."""
    assert waveform is not None
    return np.abs(np.fft.rfft(waveform.reshape(10, -1))).argmax(axis=1).tolist()


@pytest.mark.parametrize("start", [0.0, 3.1, 12.5])
@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4", "a.avi", "a.flv"])
@pytest.mark.parametrize("group", [40, 250])
def test_any_start_in_any_group_of_pictures(tmp_path: Path, name: str, group: int, start: float) -> None:
    """Also where the keyframe before is 12.5 s away, and where frames are stored in another order."""
    frames = [numbered(i) for i in range(250)]
    path = write_video(tmp_path / name, frames, 10.0, options=B_FRAMES | {"g": str(group)})
    assert shown(path, start) == by_hand([i / 10 for i in range(250)], start)


@pytest.mark.parametrize("start", [0.0, 4.0])
def test_b_frames_of_an_avi_in_their_order(tmp_path: Path, start: float) -> None:
    """AVI counts its packets and says no more; decoders begun at a keyframe drop what leans on others."""
    frames = [numbered(i) for i in range(150)]
    path = write_video(tmp_path / "a.avi", frames, 10.0, codec="mpeg4", options={"bf": "2", "q": "1"})
    assert shown(path, start) == by_hand([i / 10 for i in range(150)], start)


def test_timestamps_that_begin_below_zero(tmp_path: Path) -> None:
    times = [i / 10 - 0.7 for i in range(130)]
    below = {"avoid_negative_ts": "disabled"}
    path = write_video(
        *(tmp_path / "a.mkv", [numbered(i) for i in range(130)], times),
        **{"codec": "ffv1", "container_options": below},
    )
    for start in (0.0, 2.0):
        assert shown(path, start) == by_hand([i / 10 for i in range(130)], start)


@pytest.mark.parametrize("sound_seconds", [5.0, 6.0])
def test_joined_files_go_on_where_the_first_ended(tmp_path: Path, sound_seconds: float) -> None:
    """`cat` of two MPEG-TS files: the second's clock begins anew; its sound stays with its pictures."""
    parts = []
    for k, (first, count, seconds, pitch) in enumerate([(0, 50, sound_seconds, 300.0), (50, 80, 8.0, 900.0)]):
        frames = [numbered(i) for i in range(first, first + count)]
        sound = {"sound": tone(seconds, pitch, rate=48_000), "sound_codec": "aac", "rate": 48_000}
        parts.append(write_video(tmp_path / f"{k}.ts", frames, 10.0, options=B_FRAMES, **sound))
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    whole = int(sound_seconds)
    assert hertz(read_waveform(path)) == [300] * whole + [900] * (10 - whole)
    joined = [i / 10 for i in range(50)] + [sound_seconds + i / 10 for i in range(80)]
    apart = np.abs(np.subtract(shown(path), by_hand(joined)))
    assert apart.max() <= 1  # AAC's first packet comes 21 ms before its first sample


@pytest.mark.parametrize("turn", TURNS)
def test_pictures_are_upright_and_not_mirrored(tmp_path: Path, turn: tuple[int, int, int, int]) -> None:
    """All eight ways in which a display matrix can turn and mirror, pixel by pixel; `trim` keeps them."""
    frame = np.zeros((32, 64, 3), np.uint8)
    frame[:16, :32], frame[16:, :16] = 255, 120
    path = write_video(tmp_path / "a.mp4", [frame] * 40, 10.0)
    a, b, c, d = turn
    y, x = np.mgrid[:32, :64]
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    expected = np.zeros((down.max() + 1, across.max() + 1, 3), int)
    expected[down, across] = frame
    turned = with_matrix(path, tmp_path / "b.mp4", turn)
    trim(turned, tmp_path / "c.mp4", 1.0, 3.0)
    for file in (turned, tmp_path / "c.mp4"):
        _, image = next(read_frames(file))
        assert image.size == expected.shape[1::-1]
        assert np.abs(np.asarray(image).astype(int) - expected).mean() < 6


def test_trim_begins_with_the_frame_on_screen(tmp_path: Path) -> None:
    """Of a slide show, the slide that is up at the first second."""
    path = write_video(tmp_path / "a.mp4", [numbered(16 * i) for i in range(8)], 0.5)
    trim(path, tmp_path / "b.mp4", 3.0, 13.0)
    assert shown(tmp_path / "b.mp4") == by_hand_numbers([1, 2, 3, 4, 5, 6], [0, 1, 3, 5, 7, 9])


def by_hand_numbers(numbers: list[int], times: list[float]) -> list[int]:
    return [16 * numbers[place] for place in by_hand(times)]


def test_trim_keeps_frames_and_sound_in_place(tmp_path: Path) -> None:
    sound = np.concatenate([tone(5.0, 300.0), tone(9.0, 900.0)], axis=1)
    source = write_video(
        *(tmp_path / "a.mp4", [numbered(i) for i in range(140)], 10.0),
        **{"sound": sound, "sound_codec": "aac"},
    )
    trim(source, tmp_path / "b.mp4", 3.0, 13.0)
    notes: list[str] = []
    assert shown(tmp_path / "b.mp4", notes=notes) == by_hand([i / 10 for i in range(140)], 3.0)
    assert notes == []
    waveform = read_waveform(tmp_path / "b.mp4")
    assert waveform is not None
    seconds = np.abs(np.fft.rfft(waveform.reshape(10, -1))).argmax(axis=1)  # hertz
    assert seconds.tolist() == [300] * 2 + [900] * 8
    with pytest.raises(DataError, match=r"ends at 13\.9 s"):
        trim(source, tmp_path / "c.mp4", 10.0, 20.0)


@pytest.mark.parametrize("tagged", [True, False])
def test_a_subtitle_that_outlasts_the_pictures_is_no_damage(tmp_path: Path, tagged: bool) -> None:
    """The file's length is that of its subtitle; each track's own stands in a tag, at best."""
    frames = [numbered(i) for i in range(64)]
    path = write_video(tmp_path / "a.mkv", frames, 8.0, sound=tone(8), codec="ffv1")
    path = with_subtitle(path, tmp_path / "b.mkv", 2, 14)
    if not tagged:
        path.write_bytes(path.read_bytes().replace(b"DURATION", b"ELSEWISE"))
    assert sorted(note[:35] for note in read_clip(path).notes) == [
        "audio ends 8.00 s after the start: ",
        "video ends 8.00 s after the start: ",
    ]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if tagged:
        with pytest.raises(DataError, match="truncated or corrupt"):
            read_clip(path)


def test_a_clock_that_begins_late_makes_no_file_longer(tmp_path: Path) -> None:
    """Matroska's length, and its tracks' tags, count from the clock's zero, 100 s before the first frame."""
    times = [100 + i / 8 for i in range(40)]
    frames = [numbered(i) for i in range(40)]
    path = write_video(tmp_path / "a.mkv", frames, times, sound=tone(5), codec="ffv1", sound_start=100.0)
    assert shown(path) == by_hand([i / 8 for i in range(40)])
    assert [note[:17] for note in read_clip(path).notes] == ["audio ends 5.00 s", "video ends 5.00 s"]


def test_opus_in_webm_is_in_time_to_the_sample(tmp_path: Path) -> None:
    """An encoder's first 6.5 ms, which the file says to skip, are skipped, and move nothing."""
    rate = 48_000
    clicks = np.zeros((1, 10 * rate), np.int16)
    places = [round(seconds * rate) for seconds in (0.5, 3.25, 9.0)]
    clicks[0, places] = 30_000
    options = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
    path = write_video(tmp_path / "opus.webm", [numbered(0)] * 80, 8.0, sound=clicks, rate=rate,
                       sound_codec="libopus", **options)  # fmt: skip
    heard = read_waveform(path)
    assert heard is not None
    for place in places:
        near = slice(place // 3 - 400, place // 3 + 400)
        assert abs(int(np.abs(heard[near]).argmax()) - 400) <= 1


def test_sound_after_a_gap_is_in_its_place(tmp_path: Path) -> None:
    """What a resampler still holds of the sound before a gap does not push the sound after it back."""
    sound = np.full((1, 44_100), 16_000, np.int16)
    paths = []
    for name, second in (("a.mkv", 0.0), ("b.mkv", 3.0)):
        options = {"sound": sound, "rate": 44_100, "sound_codec": "pcm_s16le", "sound_start": second}
        paths.append(write_video(tmp_path / name, [numbered(0)] * 8, 8.0, codec="ffv1", **options))
    with_gap = tmp_path / "c.mkv"
    joined(paths, with_gap)
    loud = np.flatnonzero(np.abs(np.diff((read_waveform(with_gap) > 0.2).astype(int))))
    assert np.abs(loud[:3] - [16_000, 48_000, 64_000]).max() <= 2


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_trim_leaves_the_sound_as_loud_as_it_was(tmp_path: Path, channels: int) -> None:
    """Mono is the mean of the channels here too, not their sum."""
    sound = tone(4.0, 300.0, channels=channels)
    path = write_video(tmp_path / "a.mp4", [numbered(0)] * 40, 10.0, sound=sound, sound_codec="aac")
    trim(path, tmp_path / "b.mp4", 1.0, 3.0)
    before, after = read_waveform(path, 1.0), read_waveform(tmp_path / "b.mp4")
    assert before is not None
    assert after is not None
    assert np.std(after[4_000:28_000]) == pytest.approx(np.std(before[4_000:28_000]), rel=0.03)


def test_what_track_is_read_is_said(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mkv", [numbered(i) for i in range(80)], 8.0, sound=tone(10), codec="ffv1"
    )
    assert read_clip(path).notes == ()
    both = joined([path, path], tmp_path / "b.mkv", apart=True)
    assert read_clip(both).notes == ("2 audio tracks: the first is used", "2 video tracks: the first is used")


STEREO = (2, 48_000)  # channels, samples per second
SOUNDS = [
    *((STEREO, (6, 48_000)), ((1, 48_000), (6, 48_000)), ((6, 48_000), (1, 48_000)), ((1, 48_000), STEREO)),
    *((STEREO, (2, 44_100)), (STEREO, (1, 16_000)), ((1, 32_000), (6, 44_100))),
]


@pytest.mark.parametrize("sounds", SOUNDS)
def test_channels_and_rate_may_change_midway(
    tmp_path: Path, sounds: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    """Of two MPEG-TS files joined by `cat`: every second has its pitch, and sound is there all the time."""
    parts = []
    for k, ((channels, rate), pitch) in enumerate(zip(sounds, (300.0, 900.0), strict=True)):
        sound = tone(5.0 + k, pitch, rate=rate, channels=channels)
        frames = [numbered(50 * k + i) for i in range(50)]
        options = {"sound": sound, "sound_codec": "aac", "rate": rate}
        parts.append(write_video(tmp_path / f"{k}.ts", frames, 10.0, **options))
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    waveform = read_waveform(path)
    assert hertz(waveform) == [300] * 5 + [900] * 5
    assert waveform is not None
    loudness = waveform.reshape(100, -1).std(axis=1)
    assert (loudness > 0.5 * np.median(loudness)).sum() >= 98  # but for an encoder's first packets, twice
