"""How LLP-sim makes a feature, as an SVG: events, latents, encoders, and which knob turns what.

python -m book.tools.sim_drawing    writes book/_static/diagram/llp_sim.svg
"""

from __future__ import annotations

from book.tools.diagram import FOLDER, STYLE, arrow

LABEL = (
    "How LLP-sim makes features: from event rolls, heard and seen, to one latent vector per second and "
    "modality, to the features of VGGish, ResNet-152 and R(2+1)D-18; each step with its knobs"
)
CELL = 9  # of an event roll, one per second
# What is drawn in the two example rolls: seconds in which the event is heard, and seen.
ROLLS = {"heard": range(2, 6), "seen": range(0, 8)}
HEADS = ((64, "events"), (236, "latents"), (446, "features"))
KNOBS = (
    (64, ("heard_only, place", "label_noise")),
    (236, ("signals, shared, corrupt,", "background_memory,", "noise_memory")),
    (446, ("private", "corrupt_kind = gap")),
)
TOP, BOTTOM = 84, 150  # the middle of the lane of audio, and of visual


def roll(name: str, y: float) -> str:
    """Ten squares, those of the event filled, under the roll's name."""
    cells = "".join(
        f'<rect x="{19 + CELL * t}" y="{y}" width="{CELL}" height="{CELL}"'
        + (' style="fill:currentColor"/>' if t in ROLLS[name] else "/>")
        for t in range(10)
    )
    return f'<text class="n" x="64" y="{y - 6}">{name}</text>{cells}'


def block(x: float, y: float, width: float, title: str, note: str) -> str:
    """A rounded rectangle with a title and a note."""
    return (
        f'<rect x="{x - width / 2:g}" y="{y - 21:g}" width="{width:g}" height="42" rx="7"/>'
        f'<text class="t" x="{x:g}" y="{y - 3:g}">{title}</text>'
        f'<text class="n" x="{x:g}" y="{y + 13:g}">{note}</text>'
    )


def svg() -> str:
    """The whole drawing as a complete SVG file."""
    rolls = roll("heard", TOP - 4) + roll("seen", BOTTOM - 4)
    boxes = (
        block(236, TOP, 200, "z, heard", "background + noise + evidence")
        + block(236, BOTTOM, 200, "z, seen", "background + noise + evidence")
        + block(446, 64, 140, "VGGish", "10 × 128")
        + block(446, 122, 140, "ResNet-152", "10 × 2048")
        + block(446, 180, 140, "R(2+1)D-18", "10 × 512")
    )
    wires = (
        arrow(f"M113 {TOP}H136", 136, TOP, "audio")
        + arrow(f"M113 {BOTTOM}H136", 136, BOTTOM, "visual")
        + arrow(f"M336 {TOP}H354V64H376", 376, 64, "audio")
        + arrow(f"M336 {BOTTOM}H354V122H376", 376, 122, "visual")
        + arrow(f"M336 {BOTTOM}H354V180H376", 376, 180, "visual")
    )
    heads = "".join(f'<text class="t" x="{x}" y="26">{name}</text>' for x, name in HEADS)
    knobs = "".join(
        f'<text class="s" x="{x}" y="{226 + 15 * i}">{line}</text>'
        for x, lines in KNOBS
        for i, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cd" viewBox="0 0 560 270" role="img" '
        f'aria-label="{LABEL}"><title>{LABEL}</title><style>{STYLE}</style>'
        f"{wires}{rolls}{boxes}{heads}{knobs}</svg>\n"
    )


def main() -> None:
    """Write the drawing."""
    (FOLDER / "llp_sim.svg").write_text(svg(), encoding="utf8")


if __name__ == "__main__":
    main()
