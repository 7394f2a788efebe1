"""The default recogniser: question, length of the answer, hesitation lexicon."""
