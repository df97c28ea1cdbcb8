"""Annotation files written by hand, clean or with extra rows, and the faults that reading finds."""

from __future__ import annotations

from pathlib import Path

from cmpie_lite.data.annotation_files import Problem
from cmpie_lite.data.annotations import Annotations
from cmpie_lite.labels import CLASS_INDEX

WEAK = "filename\tevent_labels"
DENSE = "filename\tonset\toffset\tevent_labels"
CAT, DOG, SPEECH = CLASS_INDEX["Cat"], CLASS_INDEX["Dog"], CLASS_INDEX["Speech"]
A, B, C, D = "aaaaaaaaaa-_0_10", "_bbbbbbbbbb_1.5_11.5", "cccc_cccccc_20_30", "ddddddddddd_30_40"
CLEAN = {
    "AVVP_train.csv": [WEAK, f"{A}\tDog,Cat", f"{B}\tSpeech"],
    "AVVP_val_pd.csv": [WEAK, f"{C}\tDog"],
    "AVVP_test_pd.csv": [WEAK, f"{D}\tSpeech,Dog"],
    "AVVP_eval_audio.csv": [DENSE, f"{C}\t0\t3\tDog", f"{C}\t5\t6\tDog", f"{D}\t0\t10\tSpeech"],
    "AVVP_eval_audio.2020.csv": [DENSE, f"{C}\t1\t4\tDog", f"{D}\t0\t10\tSpeech"],
    "AVVP_eval_visual.csv": [DENSE, f"{D}\t2\t4\tDog"],
    "AVVP_dataset_full.csv": [WEAK, f"{A}\tCat,Dog", f"{B}\tSpeech", f"{C}\tDog", f"{D}\tSpeech,Dog"],
}


def write(folder: Path, changes: dict[str, list[str]] | None = None) -> Path:
    """Write the clean files, with extra rows appended to some; in the full file, those of the splits."""
    for name, rows in CLEAN.items():
        (folder / name).write_text("\n".join(rows + (changes or {}).get(name, [])) + "\n")
    return folder


def faults_of(annotations: Annotations) -> list[tuple[str, int, Problem]]:
    return [(fault.file, fault.line, fault.problem) for fault in annotations.faults]
