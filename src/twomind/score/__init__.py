"""Score: protocol × model × method → a run; the only place where labels meet predictions."""

from twomind.score.compare import compare
from twomind.score.run import Windows, embedding_summary, run

__all__ = ["Windows", "compare", "embedding_summary", "run"]
