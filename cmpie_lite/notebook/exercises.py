"""The checkers of the book's exercises: the expected value does not stand under the blank.

A cell ends in `check_exercise("2.2", hybrid_many)`. It prints "to do" while the answer is `...`, or is a
function that returns `...`; it prints "ok" where the answer is right; else it raises and says what is wrong,
but not what would be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from cmpie_lite.notebook import answers, later_answers, trained_answers
from cmpie_lite.notebook.checks import difference

CHECKS: Final[dict[str, Callable[..., Iterator[answers.Case]]]] = {
    "0.1": answers.events_together,
    "0.2": answers.wrong_labels,
    "0.3": answers.asynchrony,
    "0.4": trained_answers.after_training,
    "1.1": answers.three_weights,
    "1.2": answers.multi_head,
    "1.3": answers.causal,
    "2.1": answers.hybrid_row,
    "2.2": answers.three_modalities,
    "2.3": answers.size_of_a_layer,
    "2.4": trained_answers.spread_ratio,
    "3.1": answers.squeezed,
    "3.2": answers.both_axes,
    "3.3": answers.slide,
    "3.4": answers.whose_reading,
    "3.5": trained_answers.loudest_place,
    "4.1": answers.aggregated_row,
    "4.2": answers.audio_share,
    "4.3": answers.by_features,
    "4.4": trained_answers.share_of_sound,
    "5.1": later_answers.max_pool,
    "5.2": later_answers.joint_pool,
    "5.3": later_answers.noisy_or,
    "6.1": later_answers.type_at_av,
    "6.2": later_answers.least_length,
    "6.3": later_answers.onsets,
    "7.1": later_answers.gains,
    "7.2": later_answers.how_many,
    "7.3": later_answers.late_mean,
    "T2.1": later_answers.seeds_needed,
    "P.1": later_answers.in_the_file,
    "P.2": later_answers.captions,
}


def check_exercise(number: str, answer: Any, *context: Any) -> None:
    """Check a reader's answer to an exercise and print one line.

    Args:
        number: of the exercise, as the book prints it, such as "2.2".
        answer: a value, or the function that the reader was asked for; `...` where it is not done yet.
        context: what the exercise takes from its chapter.

    Raises:
        AssertionError: the answer is wrong; the message says what was received and in what it is wrong.
        KeyError: there is no such exercise.
    """
    if answer is ...:
        print(f"to do  Exercise {number}")
        return
    for what, value, expected in CHECKS[number](answer, *context):
        if value is ...:
            print(f"to do  Exercise {number}")
            return
        name = f"Exercise {number}{', ' * bool(what)}{what}"
        problem = difference(value, expected, 1e-5, told=False)
        if problem:
            raise AssertionError(f"{name}: {problem}")
    print(f"ok     Exercise {number}")
