"""`python -m data_fetch render`: real mp4 clips of known events, with annotation files in LLP's own format.

    OUT/videos/render00000.mp4 ...     picture and sound of ten seconds
    OUT/videos/render00000.vtt .png    their captions and poster
    OUT/videos/source.txt              that these are rendered clips, their seed, size and frame rate
    OUT/annotations/AVVP_*.csv         weak labels of three splits, dense labels of val and test

The path from pixels and samples to scores can so be run, watched and heard without any download.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from cmpie_lite.data.llp_names import (
    AUDIO_FILES,
    DENSE_COLUMNS,
    FULL_FILE,
    VISUAL_FILE,
    WEAK_COLUMNS,
    WEAK_FILES,
    feature_name,
)
from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASS_INDEX, NUM_SEGMENTS, SEGMENT_SECONDS
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import sweep, whole_file
from cmpie_lite.support.turns import one_at_a_time
from data_fetch.layout import SOURCE_FILE, claim
from data_fetch.render.companions import poster_time, write_companions
from data_fetch.render.pictures import draw, play
from data_fetch.render.scenes import Scene, make_scene
from data_fetch.render.tones import RATE

LARGEST: Final = 4096  # pixels, in width and in height
SECONDS: Final = NUM_SEGMENTS * SEGMENT_SECONDS
# Equal clips are equal bytes, on a busy machine and on any processor: one thread, no look ahead, no tree of
# macroblocks, x264's plain C code (its vector code encodes otherwise), no version and no date in the file.
EXACT: Final = {"flags": "+bitexact", "threads": "1"}
X264: Final = "threads=1:lookahead-threads=1:sync-lookahead=0:rc-lookahead=0:mbtree=0:asm=0"
PICTURE: Final = {
    "libx264": EXACT | {"crf": "18", "preset": "veryfast", "x264-params": X264},
    "mpeg4": EXACT | {"qscale": "3"},
}
SOUND: Final = EXACT | {"aac_coder": "fast"}  # the usual search for the best AAC takes three times as long
CONTAINER: Final = {"fflags": "+bitexact"}


def render_set(
    out: Path,
    counts: Mapping[str, int],
    *,
    seed: int = 0,
    size: int = 128,
    fps: float = 24.0,
    progress: bool = True,
) -> dict[str, Scene]:
    """Render clips for three splits, and write their annotations; clips that are there are kept.

    A folder holds clips of one seed, size and frame rate, which stand in `videos/source.txt`.

    Args:
        out: folder of `videos` and `annotations`.
        counts: number of clips of "train", "val" and "test".
        seed: at least 0; a clip's scene depends on it and on the clip's number, on nothing else.
        size: width and height, pixels, even.
        fps: frames per second.

    Returns:
        The scene of each id, such as "render00000_0_10".

    Raises:
        DataError: a number that cannot be, a folder of other clips.
        WriteError: a folder that cannot be written.
    """
    need("av", "extract")
    _check_numbers(size, fps, SECONDS, seed)
    if set(counts) != set(WEAK_FILES) or any(not 0 < n < 30_000 for n in counts.values()):
        raise DataError(f"counts = {dict(counts)!r}, expected 1 to 29999 clips for each of train, val, test.")
    scenes: dict[str, dict[str, Scene]] = {}
    for split, name in enumerate(WEAK_FILES):
        numbers = range(30_000 * split, 30_000 * split + counts[name])
        scenes[name] = {f"render{n:05d}_0_10": make_scene(seed, n) for n in numbers}
    everything = {video: scene for split in scenes.values() for video, scene in split.items()}
    videos = out / "videos"
    pixels = f"{size} x {size} pixels"  # older versions drew shapes, and called them "rendered clips of seed"
    made = f"rendered clips with pictures of seed {seed}, {pixels}, {float(fps)} frames per second"
    with one_at_a_time(out):  # the six files of annotations are of one command
        claim(videos / SOURCE_FILE, made, occupied=any(videos.glob("[!.]*.mp4")))
        _write_annotations(out / "annotations", scenes)
        for video, scene in tqdm(everything.items(), desc="render", unit="clip", disable=not progress):
            path = videos / f"{feature_name(video)}.mp4"
            if not path.is_file():
                render_clip(path, scene, size=size, fps=fps, seed=seed)
        sweep(videos, out / "annotations")
    return everything


def render_clip(
    path: Path,
    scene: Scene,
    *,
    size: int = 128,
    fps: float = 24.0,
    seconds: float = SECONDS,
    seed: int = 0,
    sound: bool = True,
) -> None:
    """Write one mp4: H.264 (MPEG-4 where libx264 is missing) and AAC; before it its captions and poster.

    Raises:
        DataError: a size, frame rate, duration or seed that cannot be.
        WriteError: a folder that cannot be written.
    """
    av = need("av", "extract")
    _check_numbers(size, fps, seconds, seed)
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    rate = Fraction(fps).limit_denominator(1001)
    write_companions(path, scene, draw(scene, poster_time(scene), size))
    with (
        whole_file(path) as temporary,
        av.open(str(temporary), "w", format="mp4", container_options=CONTAINER) as container,
    ):
        picture: Any = container.add_stream(codec, rate=rate, options=PICTURE[codec])
        picture.width = picture.height = size
        picture.pix_fmt = "yuv420p"
        picture.codec_context.thread_count = 1
        if sound:
            voice: Any = container.add_stream("aac", rate=RATE, layout="mono", options=SOUND)
            voice.bit_rate = 96_000
        for i in range(round(seconds * rate)):
            frame = av.VideoFrame.from_ndarray(draw(scene, float(i / rate), size), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if sound:
            samples = play(scene, seconds, RATE, seed)
            block = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(voice.encode(block))
            container.mux(voice.encode(None))


def _check_numbers(size: int, fps: float, seconds: float, seed: int) -> None:
    if (
        not 16 <= size <= LARGEST
        or size % 2
        or not 1 <= fps <= 240
        or not 0 < seconds <= 3600
        or not 0 <= seed < 2**63
    ):
        raise DataError(
            f"size = {size}, fps = {fps}, seconds = {seconds}, seed = {seed}: expected an even size of 16 "
            f"to {LARGEST} pixels, 1 to 240 frames per second, at most an hour, and a seed of 0 to 2**63 - 1."
        )


def _write_annotations(folder: Path, scenes: Mapping[str, Mapping[str, Scene]]) -> None:
    weak = {
        name: [(video, ",".join(_labels(scene))) for video, scene in split.items()]
        for name, split in scenes.items()
    }
    for name, file in WEAK_FILES.items():
        _write_tsv(folder / file, WEAK_COLUMNS, weak[name])
    every = [row for rows in weak.values() for row in rows]
    _write_tsv(folder / FULL_FILE, WEAK_COLUMNS, every)
    for modality, file in (("audio", AUDIO_FILES["2024"]), ("visual", VISUAL_FILE)):
        rows = [
            (video, f"{event.onset:g}", f"{event.offset:g}", event.label)
            for name in ("val", "test")
            for video, scene in scenes[name].items()
            for event in getattr(scene, modality)
        ]
        _write_tsv(folder / file, DENSE_COLUMNS, rows)


def _labels(scene: Scene) -> list[str]:
    return sorted({event.label for event in scene.audio + scene.visual}, key=CLASS_INDEX.__getitem__)


def _write_tsv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with whole_file(path) as temporary:
        lines = ["\t".join(row) for row in (columns, *rows)]
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
