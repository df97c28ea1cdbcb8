"""What a figure or a table shows, in a sentence made of its numbers: no caption without a reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from cmpie_lite.metrics import SCORES
from cmpie_lite.results.analysis import SHORT
from cmpie_lite.results.intervals import side_of_zero
from cmpie_lite.results.score_tables import score_name
from cmpie_lite.systems.rows import title_of

FITTED: Final = (
    "The signal strengths of LLP-sim were fitted so that HAN scores about what it scores on LLP: that our "
    "HAN stands near the paper's is no evidence of anything."
)
TAGS: Final = 0.9  # a model of whose predicted events a larger share span the clip only tags
NEEDED: Final = 0.005  # Type@AV that timing must add before we say that a model uses it
PLACES: Final = "places events in time"


def of_scores(runs: pd.DataFrame) -> str:
    """Which system has the highest mean in how many of the ten scores, and how far seeds of one lie apart."""
    means = runs.groupby("system", sort=False)[list(SCORES)].mean()
    spreads = 100 * runs.groupby("system", sort=False)[list(SCORES)].std()
    first = means.idxmax().value_counts()
    best = [f"{title_of(str(name))} in {int(count)}" for name, count in first.items()]
    widest = "" if spreads.isna().all(axis=None) else (
        f" Seeds of one system lie up to {float(spreads.max().max()):.1f} points apart (standard deviation)."
    )  # fmt: skip
    return f"Of the ten scores, the highest mean belongs to {listed(best)}.{widest}"


def listed(parts: Sequence[str]) -> str:
    """As "a", "a and b", "a, b and c"; with semicolons where a part has a comma of its own."""
    between = "; " if any("," in part for part in parts) else ", "
    return " and ".join(filter(None, (between.join(parts[:-1]), *parts[-1:])))


def adds(difference: float) -> str:
    """A difference of two scores in points, in words: it adds 0.9 points, or costs 0.1 points."""
    size = f"{100 * abs(difference):.1f}"
    return f"{'costs' if difference < 0 and size != '0.0' else 'adds'} {size} points"


def of_differences(intervals: pd.DataFrame, worse: str = "han") -> str:
    """For each system, how many of its ten differences lie above zero, and how many below."""
    parts = []
    for name, rows in intervals[intervals.worse == worse].groupby("better", sort=False):
        sides = list(map(side_of_zero, rows.low, rows.high))
        up, down = sides.count(1), sides.count(-1)
        parts.append(f"{title_of(str(name))} has {up} above zero and {down} below")
    return f"Of ten intervals each, against {title_of(worse)}: {'; '.join(parts)}."


def of_columns(intervals: pd.DataFrame, better: str, worse: str) -> str:
    """In which of the ten scores one system stands above another, and in which below."""
    rows = intervals[(intervals.better == better) & (intervals.worse == worse)]
    names: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for metric, low, high in zip(rows.metric, rows.low, rows.high, strict=True):
        names[side_of_zero(low, high)].append(score_name(str(metric)))
    above, below = (listed(names[side]) or "none of the ten scores" for side in (1, -1))
    return f"{title_of(better)} stands above {title_of(worse)} in {above}, and below it in {below}."


def does(row: pd.Series) -> str:
    """What a system does with time, by its row of the table of behaviour."""
    if max(row.full_audio, row.full_visual) > TAGS:
        return "tags whole clips rather than parses them"
    return "gains little or nothing by its timing" if row.timing_event < NEEDED else PLACES


def of_tagging(behaviour: pd.DataFrame) -> str:
    """What a reader of scores must know first: which systems only tag, and which one localises best."""
    placing = [does(row) == PLACES for _, row in behaviour.iterrows()]
    if all(placing):
        return "Every system here places events in time."
    tagging = [title_of(str(name)) for name, row in behaviour.iterrows() if does(row) != PLACES]
    said = (
        "Scores alone do not show which systems say when an event happens. These name the classes of a clip "
        "and, in one modality at least, gain little or nothing by saying when: "
        f"{listed(tagging)}. In each of them more than {100 * TAGS:.0f} % of the events "
        "that it predicts in one modality span the clip, or its timing adds less than "
        f"{100 * NEEDED:.1f} points of event Type@AV to the same classes in all ten seconds."
    )
    if not any(placing):
        return said
    timing = behaviour[placing].timing_event.astype(float)
    return (
        f"{said} Of the others, {title_of(str(timing.idxmax()))} times best: its timing {adds(timing.max())}."
    )


def of_one(name: str, row: pd.Series) -> str:
    """Whether one system parses or only tags, with its clip-long events and its timing."""
    return (
        f"**{title_of(name)}** {does(row)}: {100 * row.full_audio:.0f} % of its audible and "
        f"{100 * row.full_visual:.0f} % of its visible events span the clip, and its timing "
        f"{adds(row.timing_event)} of event Type@AV."
    )


def of_behaviour(behaviour: pd.DataFrame) -> str:
    """Which systems parse and which only tag: a line each (`of_one`)."""
    return "\n".join(f"- {of_one(str(name), row)}" for name, row in behaviour.iterrows())


def of_lengths(behaviour: pd.DataFrame) -> str:
    """How long the events of each system are, and what its timing is worth."""
    said = "; of ".join(
        f"{title_of(str(name))}'s audible and visible events {100 * row.full_audio:.0f} and "
        f"{100 * row.full_visual:.0f} % span the clip, and its timing {adds(row.timing_event)} of event "
        "Type@AV"
        for name, row in behaviour.iterrows()
    )
    return f"Of {said}."


def of_readings(behaviour: pd.DataFrame) -> str:
    """Which readings of CM-PIE place events in time; the first row of the table is the default's."""
    names = ["the default", *(f"`{name}`" for name in behaviour.index[1:])]
    rows = behaviour.set_axis(names)
    placing = [str(name) for name, row in rows.iterrows() if does(row) == PLACES]
    timing = rows.timing_event.astype(float)
    best = str(timing.idxmax())
    beside = "" if best == names[0] else f", where that of the default {adds(timing[names[0]])}"
    return (
        f"Of {len(names)} readings, the default among them, {len(placing) or 'none'} place"
        f"{'s' * (len(placing) < 2)} events in time{': ' * bool(placing)}{listed(placing)}. "
        f"The timing of {best} is worth most: it {adds(timing[best])} of event Type@AV{beside}."
    )


def of_parts(parts: pd.DataFrame) -> str:
    """What the model's timing is worth, and what true timing and true recognition would add."""
    segment, event = (100 * parts[f"{level}_type"].astype(float) for level in ("segment", "event"))
    own = [(x["model"] - x["recognition alone"]) / 100 for x in (segment, event)]
    timing = [x["true timing"] - x["model"] for x in (segment, event)]
    named = [x["true recognition"] - x["model"] for x in (segment, event)]
    return (
        f"Against its own classes in all ten seconds, the model's timing {adds(own[0])} of segment Type@AV "
        f"and {adds(own[1])} of event Type@AV. True timing would add {timing[0]:.1f} and {timing[1]:.1f} "
        f"points, true recognition {named[0]:.1f} and {named[1]:.1f}."
    )


def of_durations(durations: Mapping[str, pd.DataFrame]) -> str:
    """How many of the short and of the long events are found, in each modality."""
    parts = []
    for name, table in durations.items():
        found = []
        for rows in (table.loc[:SHORT], table.loc[SHORT + 1 :]):
            count = int(rows["true"].sum())
            found.append(f"{(rows['recall'] * rows['true']).sum():.0f} of {count}")
        parts.append(
            f"Of the {name} events of up to {SHORT} s, {found[0]} are found, and {found[1]} longer ones."
        )
    return (
        f"{' '.join(parts)} A guess of the whole clip matches every event of {SHORT + 1} s or more, "
        "and no shorter one."
    )


def of_confusion(table: pd.DataFrame) -> str:
    """What becomes of seconds that are only heard, or only seen."""
    parts = []
    for kind in ("audible only", "visible only"):
        cells = [float(x) for x in table.loc[kind].to_numpy(float)]
        count, place = sum(cells), list(table.columns)
        share, both = (100 * cells[place.index(name)] / max(count, 1) for name in (kind, "both"))
        parts.append(
            f"{count:.0f} are {kind}, of which {share:.0f} % are called so and {both:.0f} % are called both"
        )
    return f"Of the pairs of a second and a class, {'; '.join(parts)}."


def of_calibration(table: pd.DataFrame) -> str:
    """Whether the classes that pass the gate are there as often as their probability says."""
    upper = table[(table.low >= 0.5) & (table["count"] > 0)]
    cases = int(upper["count"].sum())
    if not cases:
        return "No class of any video has a probability of one half or more."
    said, true = ((upper[name] * upper["count"]).sum() / cases for name in ("mean", "frequency"))
    word = "too sure" if said > true else "too modest"
    return (
        f"The {cases} classes that pass the gate have a mean probability of {said:.2f} and are there "
        f"{100 * true:.0f} times in a hundred: above one half the model is {word}."
    )
