"""cmpie_lite: the finished pieces of the book "CM-PIE, one equation at a time".

A file here is the paper, a folder is machinery. Which file belongs to which chapter:

    labels, events                        chapter 0, the task: 25 classes, ten segments, events
    attention                             chapter 1, Eq. 1
    han                                   chapter 2, Eq. 2-3
    segment_attention                     chapter 3, Eq. 4-7
    aggregation                           chapter 4, Eq. 8-11
    pooling, losses                       chapter 5, MMIL pooling and the loss of weak labels
    decoding, metrics                     chapter 6, from probabilities to events, and the ten scores
    config, model                         chapter 7, Eq. 12-13, the readings of the paper, the whole model

`errors` holds the errors that a reader meets, `python -m cmpie_lite` is the command line.
"""

__version__ = "0.1.0"
