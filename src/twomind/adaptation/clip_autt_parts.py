"""The arithmetic of CLIP-AUTT: contexts in the phrases' prompts, tuned on the entropy of a person's
own clips.

Nothing visual is computed twice: a clip comes in as the unit rows of its windows
(``clip_au_parts.window_rows``), and one update costs one pass forward and back through the text
tower, over the tokens that matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from twomind.core.errors import BadInput, MissingExtra
from twomind.models.clip_au import parts
from twomind.models.clip_au.recogniser import PhraseText

try:
    import torch
    from torch import Tensor

    from twomind.encoders.clip_towers import Tower, embed_tokens, text_features
except ImportError as error:
    raise MissingExtra("torch", "CLIP-AUTT") from error


@dataclass(frozen=True)
class Prompts:
    """Prompt embeddings into which a context ``(N, M, W)`` is added from position 1 on, where
    ``room (N, M)`` allows.

    ``base (N, L, W)`` is the prompt without it. ``normalise``: text features at length 1 before the
    adapter.
    """

    tower: Tower
    base: Tensor
    room: Tensor
    read_at: Tensor
    normalise: bool = False

    @cached_property
    def same_start(self) -> bool:
        """Whether every prompt begins with the same token (CLIP's start of text), which no context
        changes.
        """
        return bool((self.base[:, 0] == self.base[0, 0]).all())

    def embeddings(self, context: Tensor) -> Tensor:
        """``(N, L, W)``, before the positional code."""
        m = context.shape[1]
        first = self.base[:, :1]
        mixed = self.base[:, 1 : 1 + m] + context * self.room[..., None]
        rest = self.base[:, 1 + m :]
        return torch.cat([first, mixed, rest], dim=1)

    def features(self, context: Tensor, *, truncate: bool = True) -> Tensor:
        """CLIP's text features ``(N, D)``, not normalised."""
        e = self.embeddings(context)
        return text_features(
            self.tower, e, self.read_at, truncate=truncate, same_start=self.same_start
        )

    def rows(self, w: parts.Weights, context: Tensor, *, truncate: bool = True) -> Tensor:
        """Adapted unit rows ``(N, D)``."""
        features = self.features(context, truncate=truncate)
        return parts.phrase_rows(w, features, self.normalise)


def worded_prompts(text: PhraseText, n_context: int = 4) -> Prompts:
    """The phrases themselves; the context is an offset on their first words, so zero is CLIP-AU
    exactly.
    """
    # One place more than the longest phrase needs, at least, so that the context always fits.
    needed = _needed(text.read_at, n_context)
    length = min(text.ids.shape[1], needed)
    base = embed_tokens(text.tower, text.ids[:, :length])
    place = torch.arange(1, n_context + 1)
    inside = place < text.read_at[:, None]
    return Prompts(text.tower, base, inside.float(), text.read_at)


def _needed(read_at: Tensor, n_context: int) -> int:
    """Tokens up to the last one that is read or holds a context."""
    return max(int(read_at.max()), n_context) + 1


def released_prompts(text: PhraseText, n_context: int = 4, full: bool = False) -> Prompts:
    """The released prompts, which hold no word of the phrase: start, context, the padding token,
    then zeros.

    They are read where the phrase would have ended, so only its length is left of it.

    Args:
        text: tower and tokens of the phrases.
        n_context: tokens of the context.
        full: all tokens, also those that nothing reads.

    Raises:
        BadInput: the phrases are not tokenised as the release does.
    """
    if text.released_ids is None or text.released_read_at is None:
        raise BadInput(
            "released prompts: expected the phrases tokenised with spaces and a final period"
        )
    ids = text.released_ids
    read_at = text.released_read_at
    base = embed_tokens(text.tower, ids).clone()
    pad = embed_tokens(text.tower, ids[:, -1:])
    base[:, 1:] = 0
    base[:, 1 + n_context] = pad[:, 0]
    length = base.shape[1] if full else _needed(read_at, n_context)
    room = torch.ones(len(ids), n_context)
    return Prompts(text.tower, base[:, :length], room, read_at, normalise=True)


def random_context(prompts: Prompts, seed: int, scale: float = 0.02) -> Tensor:
    """The released start: one draw ``(M, W)``, the same for every phrase.

    Args:
        prompts: what the context goes into.
        seed: of the draw.
        scale: its deviation.
    """
    generator = torch.Generator().manual_seed(seed)
    n, m = prompts.room.shape
    width = prompts.base.shape[-1]
    drawn = scale * torch.randn(m, width, generator=generator)
    return drawn.expand(n, -1, -1).clone()


@dataclass(frozen=True)
class Rule:
    """How an update sees a clip and moves the context."""

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    #: factor on the cosines when windows are compared; released: 1
    select_scale: float = parts.SCALE
    #: inside that entropy's logarithm; released: 1e-8
    select_epsilon: float = 0.0


RELEASED = Rule(select_scale=1.0, select_epsilon=1e-8)


@dataclass(frozen=True)
class Forward:
    """One update on ``B`` clips: everything before it, its gradient, and the context and moments
    after it.
    """

    logits: Tensor  # (B, C)
    sims: Tensor  # (B, N)
    entropy: Tensor  # (B,) nats
    start: Tensor  # (B,) first frame of the chosen window
    window_entropy: tuple[Tensor, ...]  # one (n,) per clip
    loss: float
    gradient: Tensor
    before: Tensor
    context: Tensor
    moments: Mapping[str, Tensor]


def choose(
    w: parts.Weights, windows: Sequence[Tensor], phrases: Tensor, rule: Rule
) -> tuple[Tensor, list[Tensor]]:
    """The window of lowest entropy of each clip, the first on ties.

    Args:
        w: the model's weights.
        windows: unit rows ``(n_i, D)`` of each clip's windows.
        phrases: unit rows ``(N, D)``.
        rule: how windows are compared.

    Returns:
        Which window ``(B,)``, and all entropies ``(n_i,)`` of each clip.
    """
    rows = torch.cat(list(windows))
    lengths = [len(v) for v in windows]
    with torch.no_grad():
        sims = parts.similarities(rows, phrases, rule.select_scale)
        spread = parts.entropy(parts.classify(w, sims), rule.select_epsilon)
        each = list(torch.split(spread, lengths))
    lowest = [e.argmin() for e in each]
    return torch.stack(lowest), each


def selected(windows: Sequence[Tensor], start: Tensor) -> Tensor:
    """The chosen row ``(B, D)`` of each clip."""
    pairs = zip(windows, start.tolist(), strict=True)
    return torch.stack([rows[i] for rows, i in pairs])


def update(
    w: parts.Weights,
    prompts: Prompts,
    context: Tensor,
    windows: Sequence[Tensor],
    rule: Rule,
    moments: Mapping[str, Tensor] | None = None,
    *,
    memory: Tensor | None = None,
    balance: float = 0.0,
    truncate: bool = True,
) -> Forward:
    """One step of AdamW on the mean entropy of the clips' chosen windows; returns, changes nothing.

    Args:
        w: the model's weights.
        prompts: what the context goes into.
        context: as it is before the step ``(N, M, W)``.
        windows: unit rows ``(n_i, D)`` of each clip's windows.
        rule: how windows are compared, and the step's rate and decay.
        moments: of AdamW; None starts them anew.
        memory: rows ``(m, D)`` that count as further clips.
        balance: so many times the entropy of the mean answer is taken off the loss, so that
            answering everything alike is not a minimum.
        truncate: run the text tower over the tokens that matter only.
    """
    leaf = context.detach().clone().requires_grad_()
    with torch.enable_grad():
        phrases = prompts.rows(w, leaf, truncate=truncate)
        start, window_entropy = choose(w, windows, phrases.detach(), rule)
        rows = selected(windows, start)
        if memory is not None:
            rows = torch.cat([rows, memory])
        sims = parts.similarities(rows, phrases)
        logits = parts.classify(w, sims)
        each = parts.entropy(logits)
        loss = each.mean()
        if balance:
            mean = logits.softmax(dim=-1).mean(dim=0)
            logs = mean.clamp_min(1e-12).log()
            loss = loss - balance * -(mean * logs).sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
    after, moved = adamw(context, gradient, moments, rule.learning_rate, rule.weight_decay)
    n = len(windows)
    return Forward(
        logits=logits.detach()[:n],
        sims=sims.detach()[:n],
        entropy=each.detach()[:n],
        start=start,
        window_entropy=tuple(window_entropy),
        loss=float(loss.detach()),
        gradient=gradient,
        before=context.detach(),
        context=after,
        moments=moved,
    )


def adamw(
    value: Tensor,
    gradient: Tensor,
    moments: Mapping[str, Tensor] | None,
    learning_rate: float,
    weight_decay: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """One step of AdamW (Loshchilov & Hutter, ICLR 2019) as torch does it, on values.

    Args:
        value: what is tuned.
        gradient: of the loss at it.
        moments: of the steps before; None starts them anew.
        learning_rate: the step's rate.
        weight_decay: towards zero.

    Returns:
        The new value and the new moments.
    """
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    if not moments:
        zero = torch.zeros_like(value)
        moments = {"first": zero, "second": zero, "n": torch.zeros(())}
    n = moments["n"] + 1
    first = beta1 * moments["first"] + (1 - beta1) * gradient
    second = beta2 * moments["second"] + (1 - beta2) * gradient**2
    scale = second.sqrt() / (1 - beta2 ** float(n)) ** 0.5 + epsilon
    decayed = value * (1 - learning_rate * weight_decay)
    rate = learning_rate / (1 - beta1 ** float(n))
    moved = decayed - rate * first / scale
    return moved.detach(), {"first": first, "second": second, "n": n}


def passes(
    w: parts.Weights,
    prompts: Prompts,
    context: Tensor,
    epochs: Iterable[Iterable[Sequence[Tensor]]],
    rule: Rule = RELEASED,
) -> Iterator[Forward]:
    """The released procedure: over ``epochs`` of batches of clips, one update a batch with a fresh
    optimiser each.

    The released code then keeps the epoch that did best by the *target's labels*; here every
    forward is reported, and what a caller with labels does with them is the caller's affair.

    Args:
        w: the model's weights.
        prompts: what the context goes into.
        context: where it starts ``(N, M, W)``.
        epochs: batches of clips, each clip as the unit rows ``(n_i, D)`` of its windows.
        rule: how windows are compared, and the steps' rate and decay.

    Yields:
        Every update.
    """
    for batches in epochs:
        for windows in batches:
            done = update(w, prompts, context, windows, rule)
            context = done.context
            yield done
