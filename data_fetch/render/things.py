"""Pictograms of instruments, machines and other things: each function draws on a card of 100 x 100 units."""

from __future__ import annotations

from data_fetch.render.pen import BROWN, DARK_BROWN, GREEN, GREY, INK, ORANGE, RED, STEEL, WHITE, YELLOW, Pen

# --- instruments ------------------------------------------------------------------------------------


def _strings(p: Pen, top: float, bottom: float, spread: float = 2.2) -> None:
    for x in (-1.5, -0.5, 0.5, 1.5):
        p.line([(50 + x * spread * 0.7, top), (50 + x * spread, bottom)], 0.9, WHITE)


def _bowed_body(p: Pen, neck: float) -> None:
    """A body with a waist, its middle at x = 50, from y = 34 to 88; the neck reaches up to y = `neck`."""
    p.box(46.5, neck, 7, 60, DARK_BROWN)
    p.oval(50, neck, 6, 4, DARK_BROWN)
    p.oval(50, 45, 16, 13, BROWN)
    p.oval(50, 72, 21, 17, BROWN)
    p.box(38, 48, 24, 20, BROWN)
    for side in (-1, 1):
        p.arc(50 + side * 12, 62, 4.5, 100 if side < 0 else -80, 260 if side < 0 else 80, 2)
    p.box(45, 36, 10, 22, DARK_BROWN)
    p.box(42, 69, 16, 2.5, YELLOW, 1)
    p.shape([(46, 76), (54, 76), (52, 86), (48, 86)], DARK_BROWN)
    _strings(p, neck + 2, 80)


def cello(p: Pen) -> None:
    p.line([(50, 86), (50, 97)], 3)
    _bowed_body(p, 6)
    p.line([(8, 60), (92, 66)], 3.4, WHITE)
    p.line([(8, 57), (92, 61)], 2.2, INK)


def violin(p: Pen) -> None:
    with p.turned(48):
        _bowed_body(p, 6)
    p.line([(14, 22), (80, 92)], 3.2, WHITE)
    p.line([(11, 25), (76, 94)], 2.2, INK)


def guitar(p: Pen) -> None:
    with p.turned(38, (50, 54)):
        p.box(46, -4, 8, 56, DARK_BROWN)
        p.box(44, -10, 12, 14, DARK_BROWN, 3)
        p.oval(50, 56, 20, 16, ORANGE)
        p.oval(50, 80, 26, 21, ORANGE)
        p.box(34, 58, 32, 12, ORANGE)
        p.oval(50, 62, 9, fill=DARK_BROWN)
        p.box(39, 84, 22, 4.5, DARK_BROWN)
        _strings(p, -6, 84, 2.4)


def banjo(p: Pen) -> None:
    with p.turned(38, (50, 54)):
        p.box(46.5, -8, 7, 70, DARK_BROWN)
        for y in (-6, 2, 10):
            p.oval(43, y, 2.6, fill=STEEL)
            p.oval(57, y, 2.6, fill=STEEL)
        p.oval(50, 74, 28, fill=DARK_BROWN)
        p.oval(50, 74, 23, fill=WHITE)
        p.box(42, 82, 16, 4, DARK_BROWN)
        for x in (-1.5, -0.5, 0.5, 1.5):
            p.line([(50 + x * 1.6, -4), (50 + x * 2.6, 90)], 0.9, GREY)


def accordion(p: Pen) -> None:
    for k in range(6):
        x = 31 + 6.6 * k
        p.shape(
            [(x, 22), (x + 3.3, 17), (x + 6.6, 22), (x + 6.6, 80), (x + 3.3, 85), (x, 80)],
            WHITE if k % 2 else INK,
        )
    p.box(8, 18, 24, 66, RED, 5)
    p.box(70, 18, 22, 66, RED, 5)
    for k in range(7):
        p.box(11, 24 + 8 * k, 12, 6.4, WHITE, 1)
    for x in (77, 85):
        for y in range(28, 80, 10):
            p.oval(x, y, 2.6, fill=WHITE)


# --- machines ---------------------------------------------------------------------------------------


def _wheel(p: Pen, x: float, y: float, r: float) -> None:
    p.oval(x, y, r)
    p.oval(x, y, r * 0.55, fill=STEEL)


def car(p: Pen) -> None:
    p.shape([(24, 50), (36, 28), (66, 28), (80, 50)], RED)
    p.box(6, 48, 88, 26, RED, 8)
    p.shape([(31, 48), (39, 33), (49, 33), (49, 48)], WHITE)
    p.shape([(53, 48), (53, 33), (63, 33), (72, 48)], WHITE)
    p.box(86, 54, 8, 7, YELLOW)
    _wheel(p, 27, 74, 12)
    _wheel(p, 73, 74, 12)


def motorcycle(p: Pen) -> None:
    p.line([(74, 68), (62, 30), (54, 26)], 4.5)
    p.line([(22, 68), (44, 56), (66, 50)], 6, GREY)
    for x in (22, 76):
        p.oval(x, 68, 19)
        p.oval(x, 68, 13, fill=STEEL)
        p.oval(x, 68, 4)
    p.shape([(36, 50), (62, 42), (68, 54), (58, 74), (40, 74)], INK)
    p.oval(54, 43, 14, 8, RED)
    p.box(18, 41, 28, 7, INK, 3.5)
    p.line([(12, 78), (46, 76)], 4.5, WHITE)
    p.oval(70, 38, 6, fill=YELLOW)


def helicopter(p: Pen) -> None:
    p.box(6, 16, 88, 5, INK, 2.5)
    p.box(52, 18, 5, 16)
    p.line([(10, 44), (50, 48)], 7, GREEN)
    p.box(5, 32, 5, 22)
    p.oval(61, 52, 29, 21, GREEN)
    p.shape([(62, 36), (74, 36), (88, 54), (62, 54)], WHITE)
    for x in (50, 72):
        p.line([(x, 70), (x, 84)], 3.5)
    p.line([(34, 86), (86, 86), (92, 81)], 4)


def lawn_mower(p: Pen) -> None:
    for x in range(4, 100, 7):
        p.shape([(x, 96), (x + 2.5, 82 if x < 76 else 66), (x + 5, 96)], GREEN)
    p.line([(48, 62), (14, 20), (6, 20)], 5)
    p.shape([(26, 80), (34, 58), (82, 58), (90, 80)], RED)
    p.box(46, 42, 26, 18, GREY, 3)
    p.box(52, 36, 14, 7)
    _wheel(p, 34, 82, 11)
    _wheel(p, 82, 82, 11)


def chainsaw(p: Pen) -> None:
    for k in range(10):
        for y, tip in ((46, 40), (66, 72)):
            p.shape([(48 + 4.6 * k, y), (50.3 + 4.6 * k, tip), (52.6 + 4.6 * k, y)])
    p.box(40, 45, 56, 22, STEEL, 11)
    p.line([(50, 56), (86, 56)], 2.5, GREY)
    p.arc(26, 44, 17, 180, 340, 6)
    p.box(6, 40, 44, 36, ORANGE, 6)
    p.arc(14, 66, 9, 90, 270, 5)
    p.line([(14, 57), (30, 57)], 4, INK)
    p.oval(36, 60, 8, fill=INK)
    p.oval(36, 60, 4, fill=WHITE)


def vacuum_cleaner(p: Pen) -> None:
    p.line([(34, 62), (24, 36), (40, 14), (66, 18), (80, 84)], 5.5, GREY)
    p.box(62, 82, 34, 11, INK, 4)
    p.box(8, 52, 50, 34, RED, 15)
    p.box(34, 58, 18, 10, WHITE, 3)
    p.oval(20, 86, 10)
    p.oval(20, 86, 4.5, fill=STEEL)
    p.oval(50, 88, 6)


def blender(p: Pen) -> None:
    p.box(32, 8, 36, 8, INK, 3)
    p.box(44, 3, 12, 8)
    p.arc(72, 36, 13, -90, 90, 5)
    p.shape([(26, 16), (74, 16), (66, 64), (34, 64)], WHITE)
    p.shape([(29, 34), (71, 34), (66, 64), (34, 64)], "#d8476b")
    for x, y in ((40, 44), (56, 40), (50, 52), (60, 52)):
        p.oval(x, y, 3, fill=WHITE)
    p.line([(40, 60), (60, 60)], 3)
    p.shape([(34, 64), (66, 64), (74, 94), (26, 94)], GREY)
    p.oval(50, 80, 7, fill=WHITE)
    p.line([(50, 80), (53, 76)], 2.5)


# --- other things -----------------------------------------------------------------------------------


def frying_pan(p: Pen) -> None:
    p.line([(62, 38), (92, 12)], 8.5, DARK_BROWN)
    p.oval(42, 58, 36, 34)
    p.oval(42, 58, 30, 28, GREY)
    p.oval(38, 56, 18, 14, WHITE)
    p.oval(48, 64, 14, 11, WHITE)
    p.oval(41, 58, 8, fill=YELLOW)
    for x in (18, 34, 50):
        p.line([(x, 20), (x + 4, 14), (x, 8), (x + 4, 3)], 2.6, WHITE)


def basketball(p: Pen) -> None:
    p.oval(50, 44, 35, fill=ORANGE)
    p.line([(50, 9), (50, 79)], 3)
    p.line([(15, 44), (85, 44)], 3)
    p.arc(8, 44, 30, -48, 48, 3)
    p.arc(92, 44, 30, 132, 228, 3)
    p.arc(50, 44, 35, 0, 360, 3)
    p.oval(50, 91, 26, 3.5, GREY)


def fire_alarm(p: Pen) -> None:
    p.box(24, 24, 52, 58, RED, 8)
    p.shape(
        [(50, 30), (62, 46), (65, 58), (61, 69), (50, 75), (39, 69), (35, 58), (41, 46), (46, 50)], YELLOW
    )
    p.shape([(50, 50), (57, 61), (54, 70), (50, 72), (45, 69), (43, 61)], ORANGE)
    for r in (14, 24):
        p.arc(26, 26, r, 190, 260, 4)
        p.arc(74, 26, r, 280, 350, 4)
    p.box(38, 85, 24, 6)


def telephone(p: Pen) -> None:
    p.shape([(32, 40), (68, 40), (86, 84), (14, 84)], INK)
    p.box(14, 78, 72, 12, INK, 4)
    p.oval(50, 62, 16, fill=WHITE)
    p.oval(50, 62, 6)
    for k in range(8):
        with p.turned(45 * k, (50, 62)):
            p.oval(50, 51, 2.3)
    p.arc(50, 60, 36, 222, 318, 9)
    for x in (16, 66):
        p.box(x, 30, 18, 14, INK, 5)
