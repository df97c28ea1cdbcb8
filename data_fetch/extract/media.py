"""Media files through libav: opened safely, their frames in time, every trouble a `DataError`."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cmpie_lite.errors import DataError, ReadError, WriteError
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import DISK_ERRORS
from cmpie_lite.support.reading import of_memory, opened

if TYPE_CHECKING:
    pass

SETTLING: Final = 1.0  # seconds that decoders run before the first frame that counts
JUMP: Final = 10.0  # seconds by which a clock must run ahead to have begun anew
PLAYLISTS: Final = ("hls", "concat", "dash")  # formats that would make the library open further files


@dataclass
class Damage:
    """Packets that could not be decoded, frames that could."""

    broken: int = 0
    decoded: int = 0


@contextmanager
def open_media(path: Path) -> Iterator[Any]:
    """Open a media file for reading; whatever goes wrong inside becomes a `DataError` naming the file.

    Raises:
        DataError: no such file, an empty one, a playlist, or one that cannot be decoded.
        ReadError: it is there and cannot be read. OSError: a disk that is full, or fails.
    """
    av = need("av", "extract")
    if not path.is_file():
        raise DataError(f"{path}: no such file. Give the path of a video file.")
    with opened(path) as (_, status):
        if status.st_size == 0:
            raise DataError(f"{path}: the file is empty (0 bytes). Fetch it again.")
    try:
        # `options` would be each track's too: PyAV before 18 dies of those where tracks are found late (flv).
        options = {"protocol_whitelist": "file"}
        with av.open(str(path.resolve()), container_options=options) as container:
            if container.format.name.split(",")[0] in PLAYLISTS:
                raise DataError(f"{path}: a playlist ({container.format.name}), expected a video file.")
            yield container
    except DataError:
        raise
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        of_machine = isinstance(error, ReadError | WriteError) or of_memory(error)
        if of_machine or getattr(error, "errno", None) in DISK_ERRORS:
            raise
        raise DataError(
            f"{path}: cannot be decoded as video ({str(error) or type(error).__name__}). "
            "Is it a video file, and whole? Try to play it."
        ) from error


def playable(container: Any, kind: str) -> list[Any]:
    """The tracks of a kind, "video" or "audio", cover pictures left out."""
    import av

    cover = av.stream.Disposition.attached_pic
    return [stream for stream in getattr(container.streams, kind) if not stream.disposition & cover]


def picture_stream(path: Path, container: Any) -> Any:
    """The first video track that is no cover picture.

    Raises:
        DataError: there is none.
    """
    streams = playable(container, "video")
    if not streams:
        raise DataError(f"{path}: no video track (a sound file?). Give a video file, mp4 for instance.")
    return streams[0]


def clock_may_jump(container: Any) -> bool:
    """True of formats made to be cut and joined, such as MPEG-TS: their clocks may begin anew anywhere."""
    import av

    return bool(container.format.flags & av.format.Flags.ts_discont.value)


def played_frames(
    container: Any, stream: Any, damage: Damage, start: float = 0.0
) -> Iterator[tuple[float, float, Any]]:
    """Yield (seconds from the container's start, seconds it lasts, frame); count what cannot be decoded.

    Begins at a frame that is on screen, or heard, at least a second before `start`, so that decoders have
    settled by then: packets are read from the file's beginning and decoded from the last keyframe before.
    Nothing is sought, since an index that is missing or coarse leads to a later frame.
    """
    import av

    origin = (container.start_time or 0) / 1e6
    rate = float(getattr(stream, "average_rate", None) or 0) or 25.0
    by_order = stream.type == "video" and container.format.name == "avi"
    clock = _FrameClock(by_order)
    settled = -math.inf if by_order else start - SETTLING + origin
    end, last = 0.0, -math.inf  # of the frame before, for files without timestamps
    for packet in _from_keyframe(_joined(container, stream), settled):
        clock.sent(packet)
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damage.broken += 1
            clock.lost(packet)
            continue
        for frame in frames:
            damage.decoded += 1
            if stream.type == "audio":
                seconds = frame.samples / frame.sample_rate
            else:
                seconds = float((frame.duration or 0) * (frame.time_base or 0)) or 1 / rate
            shown = clock.time_of(frame)
            time = end if shown is None else shown - origin
            if stream.type == "video" and time <= last:
                continue  # out of order after damage: a frame of the past is never shown
            last, end = time, time + seconds
            yield time, seconds, frame


class _FrameClock:
    """When decoded frames are on screen.

    AVI numbers its packets in the order in which they are decoded, and says nothing of when they are shown.
    Decoders give frames in the order in which they are shown, so the k-th frame has the k-th of the times.
    """

    def __init__(self, by_order: bool) -> None:
        self.by_order = by_order
        self.waiting: list[float] = []

    def sent(self, packet: Any) -> None:
        """A packet goes to the decoder."""
        if self.by_order and packet.dts is not None and packet.size:
            heapq.heappush(self.waiting, float(packet.dts * packet.time_base))

    def lost(self, packet: Any) -> None:
        """A packet that was sent gives no frame."""
        if self.by_order and packet.dts is not None and packet.size:
            self.waiting.remove(float(packet.dts * packet.time_base))
            heapq.heapify(self.waiting)

    def time_of(self, frame: Any) -> float | None:
        """Seconds, as the container counts; None where it has no times."""
        if self.by_order and self.waiting:
            return heapq.heappop(self.waiting)
        return None if frame.time is None else float(frame.time)


def _joined(container: Any, stream: Any) -> Iterator[Any]:
    """A stream's packets in file order; where a format's clock may jump, with the times of `_JoinedClock`."""
    tracks = [each for each in container.streams if each.type in ("video", "audio")]
    clock = _JoinedClock() if clock_may_jump(container) else None
    for packet in container.demux(tracks):
        if clock and packet.dts is not None:
            base, lasts = float(packet.time_base), float((packet.duration or 0) * packet.time_base)
            shown = packet.dts if packet.pts is None else packet.pts
            ticks = round(clock.shift(packet.stream.index, packet.dts * base, shown * base, lasts) / base)
            packet.dts += ticks
            if packet.pts is not None:
                packet.pts += ticks
        if packet.stream.index == stream.index:
            yield packet


class _JoinedClock:
    """One clock for files that were joined by `cat`, each of which begins at a time of its own.

    A track whose time jumps back, or ten seconds ahead, has come to the next file. The first to do so says by
    how much that file is shifted: it begins where the longest track ended. The others follow, each at its own
    first packet of the file, so that sound stays with its pictures.
    """

    def __init__(self) -> None:
        self.shifts = [0.0]  # of each file, seconds
        self.file: dict[int, int] = {}  # where each track is
        self.due: dict[int, float] = {}  # when its next packet should be sent
        self.end = 0.0  # of what is shown or heard so far

    def shift(self, track: int, sent: float, shown: float, lasts: float) -> float:
        """Seconds to add to the times of a packet of this track, which lasts so long."""
        now = self.file.get(track, len(self.shifts) - 1)
        for file in range(now, len(self.shifts)):
            ahead = sent + self.shifts[file] - self.due.get(track, sent + self.shifts[file])
            if -(0.1 + lasts if file == now else 1.0) <= ahead <= JUMP:
                break
        else:
            file = len(self.shifts)
            self.shifts.append(self.end - shown)
        moved = self.shifts[file]
        self.file[track], self.due[track] = file, sent + moved + lasts
        self.end = max(self.end, shown + moved + lasts)
        return moved


def _from_keyframe(packets: Iterator[Any], time: float) -> Iterator[Any]:
    """Packets from the last keyframe on that is shown at `time` or before; all if there is none."""
    held: list[Any] = []
    for packet in packets:
        sent, shown = (None if t is None else float(t * packet.time_base) for t in (packet.dts, packet.pts))
        if packet.is_keyframe and shown is not None and shown <= time:
            held.clear()
        held.append(packet)
        if sent is None or sent > time:
            yield from held
            held.clear()
            break
    yield from held
    yield from packets
