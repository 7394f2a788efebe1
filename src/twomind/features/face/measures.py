"""What the face columns are: name, unit, formula and limits of every measure, and why some action
units are not here.

The order of ``MEASURES`` is the order of the columns of the face track.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One column. ``kind`` is ``action unit``, ``head``, ``gaze``, ``eyes``, ``mouth`` or
    ``quality``.
    """

    name: str
    unit: str
    kind: str
    meaning: str
    formula: str
    limits: str


IOD = "iod"  # distance between the middles of the two eyes, about 63 mm in adults

# What leaks into what is from the closed loop on drawn faces: the confusion matrix of
# ``test_closed_loop_face.py -s``. Raw action units carry the shape of the face; people are compared
# by the relative values.

MEASURES: tuple[Measure, ...] = (
    Measure(
        "AU01",
        IOD,
        "action unit",
        "inner brow raised",
        "height of the inner brow over the inner eye corner",
        "AU2 moves it a third as much, AU4 and AU9 against it by as much: frowning and raising at "
        "once cancel out.",
    ),
    Measure(
        "AU02",
        IOD,
        "action unit",
        "outer brow raised",
        "height of the outer brow over the outer eye corner",
        "AU1 moves it a third as much, AU4 and AU9 half as much against it; closing the eyes adds "
        "half as much.",
    ),
    Measure(
        "AU04",
        IOD,
        "action unit",
        "brows lowered and drawn together",
        "less of: height of the inner brow over the inner eye corner + half the mean gap between "
        "the brows",
        "AU1 moves it against by as much, AU2 by half; AU9 moves it as much; closed eyes add a "
        "third.",
    ),
    Measure(
        "AU05",
        IOD,
        "action unit",
        "upper lid raised",
        "height of the upper lid over the eye corners",
        "Small (a tenth of a smile's movement), lost on some faces (1 of 9 drawn ones); looking up "
        "raises it, looking "
        "down, AU7 and tired lids lower it; nan in a blink.",
    ),
    Measure(
        "AU07",
        IOD,
        "action unit",
        "lids tightened",
        "less of: height of the eye's opening",
        "The opposite of AU5; AU6 moves it a third to a half as much; slowly closing eyes and "
        "looking down look the "
        "same; nan in a blink.",
    ),
    Measure(
        "AU09",
        IOD,
        "action unit",
        "nose wrinkled",
        "less of: distance from the inner brow to the wing of the nose",
        "AU4 moves it nearly as much, AU1 against it; AU17 up to half as much: read it together "
        "with AU4.",
    ),
    Measure(
        "AU12",
        IOD,
        "action unit",
        "lip corner pulled (smile)",
        "height of the mouth corner over the base of the nose + half the mouth's width",
        "AU14 and AU20 move it by a third, AU15 and AU18 half as much against it. Mean of the "
        "visible halves.",
    ),
    Measure(
        "AU12_left",
        IOD,
        "action unit",
        "AU12 of the person's own left half",
        "as AU12",
        "As AU12; nan when that half is turned away.",
    ),
    Measure(
        "AU12_right",
        IOD,
        "action unit",
        "AU12 of the person's own right half",
        "as AU12",
        "As AU12; nan when that half is turned away.",
    ),
    Measure(
        "AU15",
        IOD,
        "action unit",
        "lip corner lowered",
        "less of: height of the mouth corner over the base of the nose",
        "AU12 moves it against by as much or more; a dropped jaw adds a fifth to a half.",
    ),
    Measure(
        "AU17",
        IOD,
        "action unit",
        "chin raised",
        "height of the lower lip's edge over the chin boss",
        "AU23, AU24 and AU26 add half to fully as much (more on full lips), AU18 and AU25 take "
        "half "
        "off; a beard "
        "hides it.",
    ),
    Measure(
        "AU18",
        IOD,
        "action unit",
        "lips puckered",
        "less of: width of the mouth",
        "The opposite of AU12 and AU20 (AU14 half as much); that the lips come forward is not "
        "seen.",
    ),
    Measure(
        "AU20",
        IOD,
        "action unit",
        "lips stretched",
        "half the mouth's width - .6 of the mouth corner's height over the nose",
        "AU12 and AU14 move it half as much, AU15 up to as much, AU18 against it by as much.",
    ),
    Measure(
        "AU23",
        IOD,
        "action unit",
        "lips tightened",
        "less of: height of the red of both lips + a quarter of the mouth's width",
        "AU24 moves it as much: the two are told apart only by the mouth's width. AU15, AU17, "
        "AU26: "
        "up to half.",
    ),
    Measure(
        "AU24",
        IOD,
        "action unit",
        "lips pressed",
        "less of: height of the red of both lips",
        "AU23 moves it nearly as much; AU12, AU17 and AU20 thin the lips half as much; beards over "
        "the lips hide it.",
    ),
    Measure(
        "AU25",
        IOD,
        "action unit",
        "lips parted",
        "gap between the inner edges of the lips (0 = closed)",
        "AU26 moves it more than AU25 itself; speech moves it all the time.",
    ),
    Measure(
        "AU26",
        IOD,
        "action unit",
        "jaw dropped",
        "distance from the base of the nose to the chin",
        "Full beards hide the chin; pitch that the rigid fit does not catch changes it.",
    ),
    Measure(
        "AU43",
        "ratio",
        "action unit",
        "eyes closed",
        "1 - eye opening (height over width of the eye), mean of both eyes",
        "About .7 open, .95 closed: read it against the person's own; looking down adds to it; AU7 "
        "adds a third. "
        "Blinks (AU45): see blink.",
    ),
    Measure(
        "pose_yaw",
        "deg",
        "head",
        "head turned, + to the person's own left",
        "rigid fit of brow-free landmarks to the reference face",
        "Relative to the line of sight; large angles come out up to a third too large on drawn "
        "faces.",
    ),
    Measure(
        "pose_pitch",
        "deg",
        "head",
        "head up (+) or down",
        "as pose_yaw",
        "The zero differs by face shape: use the relative value.",
    ),
    Measure(
        "pose_roll",
        "deg",
        "head",
        "head tilted, + to the person's own left shoulder",
        "as pose_yaw",
        "A tilted camera shows as roll.",
    ),
    Measure(
        "gaze_yaw",
        "deg",
        "gaze",
        "eyes turned against the head, + to the person's own left",
        "arcsine of the iris's offset from the middle of the eye corners, eyeball radius .19 iod",
        "A webcam's iris is a few pixels: some 5 degrees of error; a turned head leaks in with a "
        "tenth to a half of "
        "its yaw, of the other sign; glasses add error; nan with closed eyes.",
    ),
    Measure(
        "gaze_pitch",
        "deg",
        "gaze",
        "eyes up (+) or down against the head",
        "as gaze_yaw",
        "Much damped: about a quarter of the true angle on drawn faces, since the mesh moves the "
        "eye's outline along. "
        "Read its direction, not its size.",
    ),
    Measure(
        "eye_opening_left",
        "ratio",
        "eyes",
        "opening of the person's own left eye",
        "height over width of the eye",
        "About .3 open, below .1 closed; the mesh never quite reaches 0.",
    ),
    Measure(
        "eye_opening_right",
        "ratio",
        "eyes",
        "opening of the person's own right eye",
        "height over width of the eye",
        "As the left.",
    ),
    Measure(
        "blink",
        "0/1",
        "eyes",
        "within a blink (AU45)",
        "both eyes' mean opening below 60 % of the person's open level, reaching 50 %, for at most "
        ".8 s",
        "Below 20 frames/s quick blinks fall between frames; a long closing is AU43, not a blink.",
    ),
    Measure(
        "mouth_opening",
        "ratio",
        "mouth",
        "how round the mouth is open",
        "gap between the lips over the mouth's width",
        "As AU25.",
    ),
    Measure(
        "mouth_motion",
        "iod/s",
        "mouth",
        "how fast the lips move",
        "mean speed of the lips' middle points and corners against the nose",
        "Landmark noise alone gives up to .2; nan on the first row after a hole.",
    ),
    Measure(
        "face_size",
        "px",
        "quality",
        "width of the face",
        "scale of the rigid fit times 2.15 iod",
        "Of the face's own width: does not shrink with yaw.",
    ),
    Measure(
        "blur",
        "0..1",
        "quality",
        "how blurred the face is",
        "1 / (1 + s), s = variance of the Laplacian over the variance of the face reduced to 64 px",
        "Noise hides blur; blur finer than a 64th of the face does not count.",
    ),
    Measure(
        "light",
        "0..1",
        "quality",
        "mean brightness of the face",
        "mean grey level / 255",
        "Dark skin is darker: only very low values forbid measuring.",
    ),
    Measure(
        "occlusion",
        "0..1",
        "quality",
        "share of the skin that is covered",
        "share of 24 spots on nose, cheeks, mouth and chin whose colour is not this person's usual "
        "skin there",
        "A hand has the colour of the face and is not seen; hard shadows may count as cover.",
    ),
    Measure(
        "quality",
        "0..1",
        "quality",
        "product of the scores of size, light, clipping, blur, yaw and cover",
        "see quality.py",
        "A ranking within one recording, not a probability.",
    ),
)

NAMES = tuple(m.name for m in MEASURES)
UNITS = tuple(m.unit for m in MEASURES)

#: Columns that have no neutral: they stay raw in the relative track.
ABSOLUTE = (*(m.name for m in MEASURES if m.kind == "quality"), "blink", "mouth_motion")

#: Action units that landmarks cannot carry, and why.
UNSUPPORTED: dict[str, str] = {
    "AU06": "the cheek's bulge and the wrinkles at the eye corner move no landmark; the rise of "
    "the "
    "lower lid that "
    "comes with them cannot be told from AU7",
    "AU10": "the upper lip's rise is smaller than what a raised chin (AU17), parted (AU25) or "
    "thinned lips (AU23, "
    "AU24) do to the same landmarks",
    "AU14": "a dimple is skin; the small widening of the mouth that comes with it cannot be told "
    "from AU20 or AU12",
}
