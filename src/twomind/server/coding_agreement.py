"""How far coders agree by now: what ``twomind agree`` says of the files that they would write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.reporting import tables
from twomind.server import coding
from twomind.server.coding import TEAM, Coded
from twomind.server.place import Place

#: As ``twomind agree`` has it.
_BOOTSTRAP = 2000


def agreement_of(
    place: Place, found: Sequence[Coded], tier: str = "", n_bootstrap: int = _BOOTSTRAP
) -> dict[str, Any]:
    """What ``twomind agree`` says of codings.

    Args:
        place: The study.
        found: Codings of several coders.
        tier: What is compared (``ah``, ``cue:facial`` …); the codebook's measured tier if left out.
        n_bootstrap: Resamples behind each interval.

    Raises:
        BadInput: There is no such tier, or no recording that two of them coded.
    """
    # Here, not above: numpy and scipy are needed for this alone.
    from twomind.evaluation.agreement_report import compare
    from twomind.evaluation.raters import Said, collect

    chosen = tier or place.codebook.agreed_on()
    said = []
    for one in found:
        path = Path(f"{one.recording}-{one.coder}.eaf")
        said.append(Said(one.annotations, path, one.coder))
    rated, remarks = collect(said, chosen)
    told = compare(rated, n_bootstrap=n_bootstrap)
    return {**told, "tier": chosen, "label": None, "remarks": remarks}


def agreement(place: Place, tier: str = "") -> dict[str, Any]:
    """How far the coders of a study agree by now; the agreed coding takes no part.

    Args:
        place: The study.
        tier: What is compared; the codebook's measured tier if left out.
    """
    theirs = [one for one in coding.coded(place) if one.coder != TEAM]
    if not theirs:
        chosen = tier or place.codebook.agreed_on()
        return {"not_yet": "nobody is done with a recording", "tier": chosen}
    try:
        found = agreement_of(place, theirs, tier)
    except BadInput as error:
        return {"not_yet": str(error), "tier": tier or place.codebook.agreed_on()}
    told: dict[str, Any] = tables.plain(found)
    return told
