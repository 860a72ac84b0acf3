"""The meter models of SunSpec as the judges know them: from its tables, not from this project.

Models 213 and 203 have the same points in the same order. In 213 each is a float32. In 203 each is an
int16, or an acc32 where it counts something, and each group of them has a scale factor behind it. Both
end with a bitfield32 of events.
"""

import math
import struct

BASE = 40000
MARKER = b"SunS"
COMMON, END = 1, 0xFFFF

# Where the values begin in a meter of Fronius, whose common model is without the padding, and how many
# registers they are.
VALUES = 40071
LENGTHS = {213: 124, 203: 105}

# The points by group, with the names of model 213.
GROUPS = [
    "A AphA AphB AphC",
    "PhV PhVphA PhVphB PhVphC PPV PPVphAB PPVphBC PPVphCA",
    "Hz",
    "W WphA WphB WphC",
    "VA VAphA VAphB VAphC",
    "VAR VARphA VARphB VARphC",
    "PF PFphA PFphB PFphC",
    "TotWhExp TotWhExpPhA TotWhExpPhB TotWhExpPhC TotWhImp TotWhImpPhA TotWhImpPhB TotWhImpPhC",
    "TotVAhExp TotVAhExpPhA TotVAhExpPhB TotVAhExpPhC TotVAhImp TotVAhImpPhA TotVAhImpPhB TotVAhImpPhC",
    " ".join(f"TotVArh{way}{phase}" for way in ("ImpQ1", "ImpQ2", "ExpQ3", "ExpQ4") for phase in ("", "phA", "phB", "phC")),
]
NOT_IMPLEMENTED = -0x8000


def body(registers):
    """The values of a meter model, from its registers without the header; None where not implemented."""
    data = struct.pack(f">{len(registers)}H", *registers)
    return floats(data) if len(registers) == LENGTHS[213] else integers(data)


def floats(data):
    names = " ".join(GROUPS).split()
    values = struct.unpack(f">{len(names)}f4x", data)
    return {name: None if math.isnan(value) else value for name, value in zip(names, values, strict=True)}


def integers(data):
    points, at = {}, 0
    for group in GROUPS:
        names = group.split()
        layout = f">{len(names)}{'I' if names[0].startswith('Tot') else 'h'}h"
        *values, scale = struct.unpack_from(layout, data, at)
        at += struct.calcsize(layout)
        for name, value in zip(names, values, strict=True):
            is_there = NOT_IMPLEMENTED not in (value, scale)
            points[name] = value * 10.0**scale if is_there else None
    return points


def in_model_213(name):
    """What model 213 calls a point of model 203."""
    return name if name in ("PhVphA", "PhVphB", "PhVphC") else name.replace("PhVph", "PPVph")
