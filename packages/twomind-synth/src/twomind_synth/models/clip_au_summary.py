"""Make the summary of the source people that lies beside the CLIP-AU of this package.

``python -m twomind_synth.models.clip_au_summary --windows FOLDER`` reads (or draws again) the
windows that the model was trained on, by the recipe in its card.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from twomind.adaptation.clip_au_summary import write_summary
from twomind.encoders.opening import open_encoder
from twomind.models.clip_au.recogniser import ClipAu
from twomind_synth.models.clip_au import SHIPPED, Recipe, as_examples, draw_all


def main(arguments: list[str] | None = None) -> None:
    """Draw (or read back) the training windows of the model that ships, and write its summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--windows", type=Path, default=Path("clip-au-windows"), help="where drawn windows are kept"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED.parent)
    given = parser.parse_args(arguments)
    model = ClipAu.load()
    known = model.card["recipe"]
    recipe = replace(Recipe(**{**known, "questions": tuple(known["questions"])}), n_held_out=0)
    print(
        write_summary(
            model, as_examples(draw_all(recipe, given.windows), open_encoder()), given.out
        )
    )


if __name__ == "__main__":
    main()
