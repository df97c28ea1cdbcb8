"""Pictograms of people and animals: each function draws on a card of 100 x 100 units."""

from __future__ import annotations

from data_fetch.render.pen import (
    BROWN,
    DARK_BROWN,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    SKIN,
    STEEL,
    WHITE,
    YELLOW,
    Pen,
)

# --- people -----------------------------------------------------------------------------------------


def speech(p: Pen) -> None:
    p.oval(30, 42, 14)
    p.box(8, 60, 44, 40, radius=20)
    p.oval(70, 32, 24, 19, WHITE)
    p.shape([(56, 44), (50, 60), (68, 49)], WHITE)
    for x in (59, 70, 81):
        p.oval(x, 32, 3.6)


def cheering(p: Pen) -> None:
    for x, y, width in ((24, 46, 5.5), (76, 46, 5.5), (50, 36, 7)):
        p.line([(x - 16, y - 22), (x - 9, y + 16), (x + 9, y + 16), (x + 16, y - 22)], width)
        p.oval(x, y - 4, 9.5)
        p.box(x - 11, y + 10, 22, 100 - y, radius=9)
    for x, y, fill in ((12, 10, RED), (36, 8, WHITE), (64, 8, RED), (88, 10, WHITE), (50, 14, YELLOW)):
        p.oval(x, y, 3.2, fill=fill)


def singing(p: Pen) -> None:
    with p.turned(40, (46, 54)):
        p.shape([(39, 44), (53, 44), (50, 92), (42, 92)])
        p.oval(46, 30, 17, fill=GREY)
        p.box(30, 38, 32, 8, WHITE)
        for x in (38, 46, 54):
            p.line([(x, 18), (x, 36)], 1.5)
        p.line([(32, 27), (60, 27)], 1.5)
    p.line([(24, 40), (24, 14), (42, 9), (42, 33)], 4)
    p.oval(19, 41, 7, 5.5)
    p.oval(37, 34, 7, 5.5)


def baby_face(p: Pen) -> None:
    p.oval(14, 54, 8, fill=SKIN)
    p.oval(86, 54, 8, fill=SKIN)
    p.oval(50, 52, 37, 36, SKIN)
    p.arc(50, 12, 7, 120, 400, 3.5)


def baby_laughter(p: Pen) -> None:
    baby_face(p)
    for x in (34, 66):
        p.arc(x, 46, 8, 200, 340, 4)
        p.oval(x + (x - 50) * 0.55, 60, 6, 4.5, PINK)
    p.shape([(32, 61), (68, 61), (63, 75), (50, 81), (37, 75)])
    p.oval(50, 75, 9, 5, RED)
    p.box(44, 60, 12, 5, WHITE)


def baby_cry(p: Pen) -> None:
    baby_face(p)
    for x, inner in ((32, 42), (68, 58)):
        p.line([(x, 39), (inner, 46), (x, 50)], 4)
        p.box(x - 5, 54, 10, 30, "#3f8fe0", 5)
    p.oval(50, 70, 12, 13)
    p.oval(50, 77, 8, 5, RED)


def clapping(p: Pen) -> None:
    for side in (1, -1):
        with p.turned(18 * side, (50, 90)):
            x = 50 - side * 13
            p.box(x - 12, 48, 24, 42, SKIN, 9)
            for k in range(4):
                p.box(x - 12 + 6.2 * k, 26 + 3 * abs(k - 1.5), 5.4, 34, SKIN, 2.7)
            p.line([(x - side * 9, 66), (x - side * 21, 50)], 6.5, SKIN)
            p.box(x - 13, 82, 26, 16, radius=3)
    for x, y, u, v in ((50, 22, 50, 8), (32, 20, 25, 9), (68, 20, 75, 9)):
        p.line([(x, y), (u, v)], 4)


# --- animals ----------------------------------------------------------------------------------------


def dog(p: Pen) -> None:
    p.oval(50, 50, 30, 32, BROWN)
    for side in (-1, 1):
        with p.turned(side * -14, (50 + side * 30, 26)):
            p.oval(50 + side * 31, 46, 11, 27, DARK_BROWN)
        p.oval(50 + side * 13, 42, 5)
        p.oval(50 + side * 14, 40, 1.8, fill=WHITE)
    p.oval(50, 66, 20, 17, "#f3e3cf")
    p.box(44, 74, 12, 20, PINK, 6)
    p.oval(50, 57, 8, 6)
    p.line([(38, 70), (45, 75), (50, 70), (55, 75), (62, 70)], 3)


def cat(p: Pen) -> None:
    for side in (-1, 1):
        p.shape([(50 + side * 36, 8), (50 + side * 37, 52), (50 + side * 6, 28)], GREY)
        p.shape([(50 + side * 31, 18), (50 + side * 32, 38), (50 + side * 15, 28)], PINK)
    p.oval(50, 56, 37, 32, GREY)
    for side in (-1, 1):
        p.oval(50 + side * 16, 48, 8, 9, YELLOW)
        p.oval(50 + side * 16, 48, 2.6, 8)
        for y in (60, 68, 76):
            p.line([(50 + side * 18, 66 + (y - 68) * 0.4), (50 + side * 46, y)], 2, WHITE)
    p.shape([(44, 60), (56, 60), (50, 67)], PINK)
    p.line([(40, 74), (45, 76), (50, 68), (55, 76), (60, 74)], 3)


def rooster(p: Pen) -> None:
    for k, y in enumerate((26, 38, 52)):
        p.line([(26, 62), (12 + k, y)], 9, (GREEN, "#2f6f8f", DARK_BROWN)[k])
    p.oval(44, 64, 27, 20, WHITE)
    p.shape([(48, 70), (54, 26), (76, 26), (70, 74)], WHITE)
    p.oval(65, 28, 13, fill=WHITE)
    for x, y in ((57, 13), (65, 9), (73, 12)):
        p.oval(x, y, 6, 7, RED)
    p.shape([(76, 24), (93, 30), (76, 36)], ORANGE)
    p.oval(75, 43, 5, 8, RED)
    p.oval(68, 26, 3)
    p.oval(40, 64, 15, 10, STEEL)
    for x in (40, 52):
        p.line([(x, 82), (x, 94), (x + 9, 94)], 3.5, ORANGE)
