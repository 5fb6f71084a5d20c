"""How a drawn person looks, and how the camera sees them: plain values drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from palsy_cli.simulate.template import FaceShape, draw_shape

Rgb = tuple[float, float, float]
HairStyle = Literal["bald", "buzz", "side_part", "swept_back", "curtains", "fringe", "curly", "bun"]
Beard = Literal["none", "stubble", "moustache", "full"]
Glasses = Literal["none", "round", "square"]
Clothes = Literal["crew", "v_neck", "shirt"]

HAIR_STYLES: tuple[HairStyle, ...] = (
    *("bald", "buzz", "side_part", "swept_back", "curtains", "fringe", "curly", "bun"),
)
#: Skin in sRGB 0-255 from light to dark, evenly spaced in ``Person.melanin``.
SKIN_TONES: tuple[Rgb, ...] = (
    *((246.0, 218.0, 202.0), (236.0, 198.0, 174.0), (221.0, 175.0, 144.0), (196.0, 147.0, 115.0)),
    *((164.0, 115.0, 86.0), (128.0, 85.0, 62.0), (96.0, 63.0, 48.0), (72.0, 48.0, 39.0)),
)
HAIR_COLOURS: tuple[Rgb, ...] = (
    *((26.0, 22.0, 21.0), (46.0, 33.0, 26.0), (72.0, 50.0, 35.0), (104.0, 72.0, 47.0)),
    *(
        (150.0, 112.0, 70.0),
        (196.0, 164.0, 112.0),
        (122.0, 60.0, 34.0),
        (150.0, 146.0, 142.0),
        (208.0, 205.0, 200.0),
    ),
)
EYE_COLOURS: tuple[Rgb, ...] = (
    *((66.0, 42.0, 26.0), (92.0, 60.0, 34.0), (112.0, 88.0, 48.0)),
    *((104.0, 116.0, 84.0), (98.0, 128.0, 150.0), (120.0, 136.0, 144.0)),
)


@dataclass(frozen=True)
class View:
    """Head pose, camera and gaze.

    Attributes:
        yaw: turn to image-right, degrees. pitch: nod down, degrees. roll: tilt clockwise in the image, degrees.
        shift_x, shift_y: of the face in the picture, in parts of its smaller side.
        zoom: pupil distance in parts of the picture's smaller side.
        gaze_x, gaze_y: of the irises, -1..1 (image-right, down).
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    zoom: float = 0.175
    gaze_x: float = 0.0
    gaze_y: float = 0.0


@dataclass(frozen=True)
class Person:
    """Appearance of one drawn person; ``Person.from_seed`` draws it.

    Attributes:
        seed: also seeds the texture. shape: the face's geometry.
        melanin: skin from light (0) to dark (1). undertone: -1 pinkish .. 1 olive. age: 0 smooth .. 1 wrinkled.
        masculine: 0..1, heavier brow and jaw shading, thicker neck. freckles: 0..1.
        hair, hair_colour, beard, brow_density, brow_thickness, eye_colour, lip_colour_strength.
        glasses, glasses_colour, clothes, clothes_colour, background (two colours).
        light: direction towards the lamp (x image-right, y down, z to the camera). light_strength: lamp over ambience.
        warmth: -1 bluish .. 1 yellowish light. bell: the eye turns up under a lid that does not close.
    """

    seed: int = 0
    shape: FaceShape = field(default_factory=FaceShape)
    melanin: float = 0.25
    undertone: float = 0.0
    age: float = 0.3
    masculine: float = 0.5
    freckles: float = 0.0
    hair: HairStyle = "side_part"
    hair_colour: Rgb = HAIR_COLOURS[1]
    beard: Beard = "none"
    brow_density: float = 1.0
    brow_thickness: float = 1.0
    eye_colour: Rgb = EYE_COLOURS[0]
    lip_strength: float = 0.5
    glasses: Glasses = "none"
    glasses_colour: Rgb = (30.0, 28.0, 28.0)
    clothes: Clothes = "crew"
    clothes_colour: Rgb = (70.0, 84.0, 110.0)
    background: tuple[Rgb, Rgb] = ((176.0, 182.0, 188.0), (120.0, 128.0, 138.0))
    light: tuple[float, float, float] = (-0.4, -0.5, 0.85)
    light_strength: float = 0.6
    warmth: float = 0.0
    bell: bool = False

    @staticmethod
    def from_seed(seed: int) -> Person:
        """Draw a person: skin from light to dark, both sexes, all ages, hair and glasses as they come."""
        rng = np.random.default_rng([seed, 0])
        melanin = float(rng.uniform(0.0, 1.0))
        masculine = float(np.clip(rng.choice([0.15, 0.85]) + 0.12 * rng.standard_normal(), 0.0, 1.0))
        age = float(rng.uniform(0.05, 1.0))
        beards: tuple[Beard, ...] = ("none", "stubble", "moustache", "full")
        angle = float(rng.uniform(-1.0, 1.0))
        return Person(
            seed=seed,
            shape=draw_shape(rng),
            melanin=melanin,
            undertone=float(rng.uniform(-1.0, 1.0)),
            age=age,
            masculine=masculine,
            freckles=float(max(0.0, rng.uniform(-1.5, 1.0))) if melanin < 0.4 else 0.0,
            hair=_draw_hair(rng, masculine),
            hair_colour=_draw_hair_colour(rng, melanin, age),
            beard=beards[int(rng.choice(4, p=(0.5, 0.28, 0.08, 0.14)))] if masculine > 0.5 else "none",
            brow_density=float(rng.uniform(0.55, 1.2)),
            brow_thickness=float(rng.uniform(0.75, 1.15) + 0.25 * masculine),
            eye_colour=EYE_COLOURS[int(rng.integers(2 if melanin > 0.5 else len(EYE_COLOURS)))],
            lip_strength=float(rng.uniform(0.25, 0.75) + (0.25 * rng.random() if masculine < 0.5 else 0.0)),
            glasses=("round", "square")[int(rng.integers(2))] if rng.random() < 0.15 else "none",
            glasses_colour=((28.0, 26.0, 26.0), (92.0, 62.0, 40.0), (120.0, 122.0, 128.0))[int(rng.integers(3))],
            clothes=("crew", "v_neck", "shirt")[int(rng.integers(3))],
            clothes_colour=_colour(rng, 25.0, 215.0),
            background=(_colour(rng, 60.0, 225.0, grey=0.85), _colour(rng, 40.0, 200.0, grey=0.85)),
            light=(0.75 * angle, float(rng.uniform(-0.8, -0.25)), float(rng.uniform(0.7, 1.1))),
            light_strength=float(rng.uniform(0.4, 0.8)),
            warmth=float(rng.uniform(-0.6, 1.0)),
            bell=bool(rng.random() < 0.7),
        )

    @property
    def skin(self) -> Rgb:
        """Mean skin colour, sRGB 0-255."""
        tones = np.array(SKIN_TONES)
        at = self.melanin * (len(tones) - 1)
        base = np.array([np.interp(at, np.arange(len(tones)), tones[:, channel]) for channel in range(3)])
        base += self.undertone * np.array([-2.0, 3.0, -5.0])
        red, green, blue = (float(value) for value in np.clip(base, 20.0, 250.0))
        return red, green, blue


def _draw_hair(rng: np.random.Generator, masculine: float) -> HairStyle:
    short = (0.13, 0.2, 0.27, 0.18, 0.04, 0.04, 0.12, 0.02)
    long = (0.01, 0.03, 0.1, 0.12, 0.28, 0.2, 0.13, 0.13)
    return HAIR_STYLES[int(rng.choice(len(HAIR_STYLES), p=short if masculine > 0.5 else long))]


def _draw_hair_colour(rng: np.random.Generator, melanin: float, age: float) -> Rgb:
    if age > 0.6 and rng.random() < 0.7 * age:
        base = HAIR_COLOURS[7 + int(rng.integers(2))]
    else:
        base = HAIR_COLOURS[int(rng.integers(2 if melanin > 0.55 else 7))]
    factor = float(rng.uniform(0.8, 1.15))
    return (min(235.0, base[0] * factor), min(232.0, base[1] * factor), min(230.0, base[2] * factor))


def _colour(rng: np.random.Generator, low: float, high: float, *, grey: float = 0.4) -> Rgb:
    colour = rng.uniform(low, high, 3)
    colour = grey * colour.mean() + (1.0 - grey) * colour
    return float(colour[0]), float(colour[1]), float(colour[2])
