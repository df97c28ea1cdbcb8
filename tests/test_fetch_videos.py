"""Raw clips: cut to their seconds, politely, with a manifest; a fake downloader stands in for YouTube."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from cmpie_lite.errors import DataError
from cmpie_lite.support.files import PART, hold
from data_fetch.extract.decode import read_frames, read_waveform
from data_fetch.fetch.trim import trim
from data_fetch.fetch.videos import COLUMNS, MANIFEST, VideoError, classify, fetch_videos
from data_fetch.tables import read_rows, write_rows
from tests.making import readable
from tests.video_files import number_of, numbered, tone, write_video

GOOD, GONE, LOCKED, FLAKY, SHORT = (f"{letter * 11}_1_11" for letter in "abcde")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A "YouTube video" of 12 s with numbered frames, 10 per second, whose pitch rises at 6 s."""
    sound = np.concatenate([tone(6.0, 300.0), tone(6.0, 900.0)], axis=1)
    path = tmp_path_factory.mktemp("youtube") / "whole.mp4"
    return write_video(path, [numbered(i) for i in range(120)], 10.0, sound=sound, sound_codec="aac")


class YouTube:
    """What happens to each id, in order: a path is copied, an error raised."""

    def __init__(self, plan: dict[str, list[Path | VideoError]]) -> None:
        self.plan = {video[:11]: list(steps) for video, steps in plan.items()}
        self.asked: list[str] = []

    def __call__(self, youtube_id: str, folder: Path) -> Path:
        self.asked.append(youtube_id)
        step = self.plan[youtube_id].pop(0)
        (folder / "video.part").write_bytes(b"half of something")
        if isinstance(step, VideoError):
            raise step
        return Path(shutil.copy(step, folder / "video.mp4"))


def test_fetches_cuts_and_accounts(whole: Path, tmp_path: Path, private: None) -> None:
    youtube = YouTube(
        {
            GOOD: [whole],
            GONE: [VideoError("gone", "Video unavailable")],
            LOCKED: [VideoError("refused", "Sign in to\nconfirm your age")],
            FLAKY: [VideoError("failed", "HTTP Error 429")] * 2 + [whole],
        }
    )
    waits: list[float] = []
    ids = [GOOD, GONE, LOCKED, FLAKY]
    rows = fetch_videos(ids, tmp_path, download=youtube, wait=waits.append, sleep=2.0, progress=False)
    assert [(row["id"], row["status"]) for row in rows] == [
        *((GOOD, "ok"), (GONE, "gone"), (LOCKED, "refused"), (FLAKY, "ok")),
    ]
    assert readable(tmp_path) == []
    assert rows[2]["reason"] == "Sign in to confirm your age"
    assert [1.0 <= w <= 3.0 for w in waits] == [True, True, True, False, False]
    assert waits[3:] == [4.0, 8.0], "waits longer after each failure"
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{GOOD}.mp4", f"{FLAKY}.mp4", MANIFEST]
    assert read_rows(tmp_path / MANIFEST, COLUMNS) == rows
    clip = tmp_path / f"{GOOD}.mp4"
    notes: list[str] = []
    numbers = [number_of(image) for _, image in read_frames(clip, notes=notes)]
    assert numbers[0] == 10
    assert numbers[-1] == 109
    assert notes == []
    waveform = read_waveform(clip)
    assert waveform is not None
    pitches = np.abs(np.fft.rfft(waveform.reshape(10, -1))).argmax(axis=1)
    assert pitches.tolist() == [300] * 5 + [900] * 5


@pytest.mark.parametrize("start", [0.0, 1.0, 2.53])
@pytest.mark.parametrize(("rate", "codec"), [(8_000, "flac"), (44_100, "aac"), (192_000, "flac")])
def test_a_cut_clip_sounds_from_its_first_moment_to_its_last(
    tmp_path: Path, start: float, rate: int, codec: str
) -> None:
    """The packet that `start` lies in counts from there on, and the encoder's delay is no silence."""
    frames, sound = [numbered(i) for i in range(15)], tone(14.0, 300.0, rate)
    whole = write_video(tmp_path / "whole.mkv", frames, 1.0, sound=sound, rate=rate, sound_codec=codec)
    trim(whole, tmp_path / "cut.mp4", start, start + 10)
    heard, there = (read_waveform(path, at) for path, at in ((tmp_path / "cut.mp4", 0), (whole, start)))
    assert heard is not None
    assert there is not None
    strength = np.sqrt((heard**2).reshape(-1, 160).mean(axis=1))  # of each hundredth of a second
    assert strength.min() > 0.15, "of 0.35; silence is 0, and coding costs some"
    assert np.abs(heard - there)[1600:-1600].mean() < 0.02, "in step with the source"
    with av.open(str(tmp_path / "cut.mp4")) as clip:
        samples = sum(frame.samples for frame in clip.decode(audio=0))
        assert samples >= 10 * clip.streams.audio[0].rate, "of each packet, what libav itself decodes"


def test_a_second_run_asks_only_for_what_may_still_come(whole: Path, tmp_path: Path) -> None:
    ids = [GOOD, GONE, FLAKY]
    first = YouTube(
        {GOOD: [whole], GONE: [VideoError("gone", "gone")], FLAKY: [VideoError("failed", "no route")] * 3}
    )
    rows = fetch_videos(ids, tmp_path, download=first, wait=lambda _: None, progress=False)
    assert [row["status"] for row in rows] == ["ok", "gone", "failed"]
    second = YouTube({FLAKY: [whole], GONE: [whole], GOOD: []})
    rows = fetch_videos(ids, tmp_path, download=second, wait=lambda _: None, progress=False)
    assert second.asked == [FLAKY[:11]]
    assert [row["status"] for row in rows] == ["ok", "gone", "ok"]
    rows = fetch_videos(ids, tmp_path, download=second, wait=lambda _: None, retry_gone=True, progress=False)
    assert second.asked[1:] == [GONE[:11]]
    assert [row["status"] for row in rows] == ["ok"] * 3


def test_a_clip_that_is_there_is_ok_whatever_its_row_said(whole: Path, tmp_path: Path) -> None:
    (tmp_path / f"{FLAKY}.mp4").write_bytes(whole.read_bytes())
    write_rows(tmp_path / MANIFEST, COLUMNS, [{"id": FLAKY, "status": "failed", "reason": "no route"}])
    rows = fetch_videos([FLAKY], tmp_path, download=YouTube({}), progress=False)
    assert rows == [{"id": FLAKY, "status": "ok", "reason": ""}] == read_rows(tmp_path / MANIFEST, COLUMNS)
    (tmp_path / f"{FLAKY}.mp4").unlink()
    again = YouTube({FLAKY: [whole]})
    fetch_videos([FLAKY], tmp_path, download=again, progress=False)
    assert again.asked == [FLAKY[:11]], "lost clips are fetched anew"


def test_what_came_but_is_no_use_is_refused(whole: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.mp4"
    page.write_text("<html>consent</html>")
    late = "e" * 11 + "_8_18"
    youtube = YouTube({GOOD: [page] * 4, late: [whole]})
    out = tmp_path / "out"
    rows = fetch_videos([GOOD, late], out, download=youtube, wait=lambda _: None, progress=False)
    assert [row["status"] for row in rows] == ["failed", "refused"], "a page of consent may not come again"
    assert "cannot be decoded as video" in rows[0]["reason"]
    assert "ends at 11.9 s, expected 8 to 18 s" in rows[1]["reason"]
    assert [p.name for p in out.iterdir()] == [MANIFEST], "no partial file"
    youtube.asked.clear()
    fetch_videos([GOOD, late], out, download=YouTube({GOOD: [whole]}), wait=lambda _: None, progress=False)
    assert (out / f"{GOOD}.mp4").is_file()


def test_two_clips_of_one_video_stand_side_by_side(whole: Path, tmp_path: Path) -> None:
    early, late = (f"{'a' * 11}_{start}_{start + 5}" for start in (0, 5))
    for ids in ([early], [early, late]):  # in one run, and in the next
        youtube = YouTube({early: [whole] * 2})
        rows = fetch_videos(ids, tmp_path, download=youtube, wait=lambda _: None, progress=False)
        assert [(row["id"], row["status"]) for row in rows] == [(video, "ok") for video in ids]
        assert len(youtube.asked) == 1
    first = [number_of(next(read_frames(tmp_path / f"{video}.mp4"))[1]) for video in (early, late)]
    assert first == [0, 50]


def test_a_refusal_of_a_moment_that_was_recorded_is_asked_again(whole: Path, tmp_path: Path) -> None:
    reason = "Video unavailable. This content isn't available, try again later. The current session has been "
    rows = [{"id": GOOD, "status": "gone", "reason": reason + "rate-limited by YouTube"}]
    rows.append({"id": GONE, "status": "gone", "reason": "This video has been removed by the uploader"})
    write_rows(tmp_path / MANIFEST, COLUMNS, rows)
    youtube = YouTube({GOOD: [whole], GONE: []})
    found = fetch_videos([GOOD, GONE], tmp_path, download=youtube, wait=lambda _: None, progress=False)
    assert [row["status"] for row in found] == ["ok", "gone"]
    assert youtube.asked == [GOOD[:11]]


def test_what_a_killed_download_left_goes_in_time(whole: Path, tmp_path: Path) -> None:
    """A downloader that dies in the middle leaves its folder; a later run sweeps it, and no living one's."""

    class Killed(BaseException):
        pass

    def die(youtube_id: str, folder: Path) -> Path:
        (folder / "video.mp4.part").write_bytes(b"half")
        shutil.copytree(folder, tmp_path / f".killed-{'0' * 32}{PART}")  # what no `finally` removes
        raise Killed

    with pytest.raises(Killed):
        fetch_videos([GOOD], tmp_path, download=die, progress=False)
    (left,) = tmp_path.glob(f".*{PART}")
    held = hold(left, wait=False)
    assert held is not None
    fetch_videos([GOOD], tmp_path, download=YouTube({GOOD: [whole]}), progress=False)
    assert left.is_dir(), "it is another process's, that lives"
    os.close(held)
    fetch_videos([GOOD], tmp_path, progress=False, download=YouTube({}))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{GOOD}.mp4", MANIFEST]


def test_ids_and_messages() -> None:
    for bad in ("abc_0_10", "BjCEufrlXm4", "BjCEufrlXm4_30_20", "BjCEufrlXm4_20_20", "../../../etc_0_10", ""):
        with pytest.raises(DataError, match="is not an LLP id"):
            fetch_videos([bad], Path("/nonexistent"), download=YouTube({}))
    with pytest.raises(DataError, match=r"sleep = -1.0, expected seconds >= 0"):
        fetch_videos([GOOD], Path("/nonexistent"), download=YouTube({}), sleep=-1.0)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("ERROR: [youtube] x: Video unavailable. This video is private", "gone"),
        ("[youtube] x: Private video. Sign in if you've been granted access to this video", "gone"),
        ("This video has been removed by the uploader", "gone"),
        ("Video unavailable. This video has been removed for violating YouTube's Terms of Service", "gone"),
        (
            "This video is no longer available because the YouTube account associated with this video has "
            "been terminated.",
            "gone",
        ),
        (
            "[youtube] x: Sign in to confirm your age. This video may be inappropriate for some users.",
            "refused",
        ),
        ("The uploader has not made this video available in your country", "refused"),
        ("Video unavailable. It contains content from X, who blocked it on copyright grounds", "refused"),
        ("Join this channel to get access to members-only content", "refused"),
        # what may pass, or is not known to be final
        (
            "Video unavailable. This content isn't available, try again later. The current session has been "
            "rate-limited by YouTube for up to an hour.",
            "failed",
        ),
        ("[youtube] x: Video unavailable", "failed"),
        ("This video is not available", "failed"),
        ("Sign in to confirm you're not a bot. Use --cookies-from-browser", "failed"),
        ("HTTP Error 429: Too Many Requests", "failed"),
        ("HTTP Error 503: Service Unavailable", "failed"),
        ("Unable to download webpage: timed out", "failed"),
        ("Private video? The page says try again later", "failed"),
        ("Premieres in 3 hours", "failed"),
        ("Requested format is not available", "failed"),
        ("No space left on device", "failed"),
    ],
)
def test_only_what_is_known_to_be_final_is_final(message: str, status: str) -> None:
    assert classify(message) == status
