"""The entries of the ambiguity register: what the paper leaves open, its readings, our default and why.

One entry per field of `ModelConfig` that the paper does not settle, and one for the gate of decoding.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One open question. `readings` explains every value; for a number, only the values worth comparing."""

    question: str
    paper: str
    readings: dict[Any, str]
    reason: str


ENTRIES: dict[str, Entry] = {
    "front_end": Entry(
        "How do the two visual features become one?",
        "“The concatenation of 2D and 3D visual features is subsequently fed through a multi-layer "
        "perceptron (MLP) to generate segment-wise representations.”",
        {
            "han": "HAN's code: project each to D, join the two, project again. No activation.",
            "mlp": "As the sentence says: join 2048 and 512 numbers, then Linear, ReLU, Linear.",
        },
        "HAN's row of Table 1 rests on HAN's front end, and only it can load HAN's published weights.",
    ),
    "sa_axis": Entry(
        "What does one segment-attention weight belong to, and what is it read from?",
        "Eq. 4 sums over the segments, s = 1 to T, and hands the sum, one number per channel, to a "
        "network. The text speaks of “the importance of each segment”, the caption of Fig. 3 of "
        "“segment-wise attention weights”, and W carries the index t.",
        {
            "segment": "Average over the D channels; φ takes T numbers to T weights, one per segment. "
            "Follows the words.",
            "global": "Average over the T segments; φ takes D numbers through D/16 to T weights, one per "
            "segment. The only reading that keeps the sum, the index t and the words at once. But its "
            "squeeze has forgotten when anything happened: it weighs places by what the clip holds as a "
            "whole.",
            "channel": "Average over the T segments; φ takes D numbers to D weights, one per channel. "
            "Follows the sum, and gives up the index t.",
            "both": "By segment and by channel, each from the same features; the two weights are multiplied.",
        },
        "“The importance of each segment” asks for a weight that can depend on that segment, which only "
        "`segment` (and `both`) gives. The sum sign does not rule a weight per segment out, since a "
        "network may take D numbers to T. The likeness to channel attention speaks for either: there, too, "
        "a weight is given along the axis that was not averaged, and SA may have put segments in the place "
        "of channels.",
    ),
    "sa_squeeze": Entry(
        "Mean or sum before the network?",
        "The text says “the average feature representation is computed”; Eq. 4 prints a sum.",
        {
            "standardised": "The average, then zero mean and unit variance over the inputs of φ. The second "
            "step is not printed; it repairs the mean's size.",
            "mean": "Average, and nothing else.",
            "sum": "Sum, over whatever `sa_axis` averages: by default the D channels. Eq. 4's own sum, over "
            'T, is `{"sa_axis": "global", "sa_squeeze": "sum"}`.',
        },
        "Mean and sum differ by a constant factor, which the first linear layer can absorb; the mean is the "
        "word. But after a projection the mean of hundreds of signed channels is almost nothing, and φ "
        "answers with its biases: nearly one gate for all clips, which is not what the text says SA does. "
        "[Chapter 3](../notebooks/03_segment_attention.ipynb) shows it. Standardised, the average has the "
        "size that φ is initialised for, and the gate follows the clip.",
    ),
    "sa_layers": Entry(
        "How many linear layers has φ?",
        "“several linear layers and activation functions (e.g. ReLU and Sigmoid)”.",
        {2: "Two, as in squeeze-and-excitation.", 3: "Three."},
        "Squeeze-and-excitation, which the paper says SA resembles, has two.",
    ),
    "sa_reduction": Entry(
        "How narrow is φ inside?",
        "Not stated.",
        {2: "Half the width: 5 of 10 segments.", 1: "No reduction.", 5: "A fifth: 2 of 10 segments."},
        "Squeeze-and-excitation divides hundreds of channels by 16. Ten segments do not leave room for that.",
    ),
    "sa_sharing": Entry(
        "One φ for both modalities, or one each?",
        "Eq. 4 and Eq. 5 print the same φ.",
        {"shared": "One network.", "per_modality": "Two networks."},
        "As printed.",
    ),
    "sa_input": Entry(
        "Which features does SA weigh?",
        "Eq. 4 reads “audio and visual features within a video”. Before it stands: “These features are "
        "firstly aggregated by the hybrid attention network (HAN)”; after it: “input into the HAN module "
        "to do further aggregation”.",
        {
            "projected": "After the projection to D, before HAN.",
            "raw": "The encoders' own features, before the projection.",
            "aggregated": "What the HAN of stream h wrote: HAN, then SA, then HAN again. HAN ends in a layer "
            "norm, after which the average over D is zero in every segment, so that `sa_axis=segment` starts "
            "blind; try it with `global`.",
        },
        "The dimensions (b, s, d) have d, which is 512 everywhere else in the paper. No "
        "symbol of Eq. 4 names HAN's output.",
    ),
    "han_sharing": Entry(
        "Do the two streams share one HAN?",
        "Not stated. The text says “the HAN module” for both; the symbols $\\hat f^h$ and $\\hat f^s$ tell "
        "only the features apart.",
        {"two": "A HAN for each stream.", "one": "The same weights in both."},
        "Nothing printed ties them, and the two streams read inputs of different scale.",
    ),
    "cma_concat": Entry(
        "What does ⊕ join?",
        "“⊕ means concatenating operation”. The axis is not stated.",
        {
            "tokens": "The segments of both modalities as 2T keys of D.",
            "features": "Audio and visual of the same second as T keys of 2D.",
        },
        "Eq. 1 needs query and key of one width d. With tokens Eq. 8–11 work as printed; with features they "
        "need a "
        "projection that is not printed.",
    ),
    "cma_form": Entry(
        "What surrounds Eq. 1 in CMA?",
        "Eq. 8–11 print nothing: no projection, no residual, no norm. The text: “the single-modality "
        "features are brought closer to the fused features”.",
        {
            "residual_norm": "Learned projections, a residual connection, a layer norm.",
            "residual": "Learned projections and a residual connection.",
            "projected": "Learned projections alone. The default of runs before 26 November 2026.",
            "printed": "Eq. 1 and nothing else. CMA then has no parameters.",
        },
        "A feature that is brought closer to others is moved, not replaced: that is a residual. HAN's "
        "code, on which the paper builds, has projections, residual and norm around every attention. And "
        "without a residual aggregation makes the segments of a clip alike: a model of `projected`, "
        "trained on LLP-sim, names events and gives nearly every one of them the whole clip, while the "
        "paper's own row loses less of its audio score from segments to events than any other in Table 1. "
        "Where `printed` does better than the default, as on LLP-sim, it does so by hardly crossing from one "
        "modality to the other ([chapter 4](../notebooks/04_cross_modal_aggregation.ipynb#what-it-buys)), "
        "which is not what the paper says its CMA is for.",
    ),
    "cma_sharing": Entry(
        "Whom does a CMA block serve?",
        "“Two cross-modal aggregation (CMA) blocks are used”, and there are two streams and two modalities. "
        "The caption of Table 2 names “the CMA block for audio features”.",
        {
            "per_stream": "Two blocks: each serves both modalities of its stream.",
            "modality": "Two blocks, one for audio and one for visual features: each serves both streams. "
            "The only reading in which both phrases are literally true.",
            "per_modality": "Four blocks, one for each modality of each stream.",
        },
        "Two blocks, two streams: Eq. 8–9 and Eq. 10–11 are written apart by stream. `modality` has as much "
        "of the text on its side.",
    ),
    "heads": Entry(
        "How many attention heads?",
        "“multi-head attention blocks”; no number.",
        {1: "One.", 4: "Four.", 8: "Eight."},
        "HAN's code uses one.",
    ),
    "dropout": Entry(
        "How much dropout?",
        "Not stated.",
        {0.1: "0.1.", 0.0: "None."},
        "HAN's code uses 0.1, also on the attention weights.",
    ),
    "ffn_dim": Entry(
        "How wide is HAN's feed-forward network?",
        "Eq. 2–3 print none.",
        {512: "512.", 2048: "2048, at D = 512 the usual factor of four."},
        "HAN's code uses 512, its D. So the narrow models of D = 128 have 128; there 2048 is sixteen times "
        "D, which does not tell what four times D would do.",
    ),
    "han_layers": Entry(
        "How many HAN layers?",
        "Eq. 2–3 describe one.",
        {1: "One.", 2: "Two, the second reading what the first wrote."},
        "HAN's code stacks one.",
    ),
}

# The same for a field of `DecodeConfig`: it changes no model, so one set of predictions tells its effect.
GATE = Entry(
    "When may a class of a video have events at all?",
    "Not stated: “Following [7], we evaluate the performance”, and [7] is HAN.",
    {
        "global": "Its probability for the video reaches the threshold: HAN's code.",
        "modality": "Audio and visual each by their own probability.",
        "either": "One of the two modalities' probabilities reaches it; it opens both.",
        "none": "Always.",
        "audio_global_visual_own": "Audio by the video's, visual by its own.",
    },
    "HAN's evaluation is the one that the paper names. Other papers of the same table decode otherwise, so "
    "their numbers and its own are not of one protocol.",
)
