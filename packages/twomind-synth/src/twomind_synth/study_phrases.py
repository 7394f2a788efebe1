"""More of what synthetic people say: clauses for, against and neutral. Written for this project; none
is a participant's.

Mark-up as in :mod:`.phrases`. None of them decides between A/H and its absence: the same clauses
are spoken in both.
"""

from __future__ import annotations

#: kind → clauses that carry its words; spoken inside and outside A/H alike
CLAUSES: dict[str, tuple[str, ...]] = {
    "positive": (
        "positive:it_makes_me_happy every single time",
        "positive:I_love the feeling of it",
        "that part is positive:wonderful for me",
        "it is positive:good_fun with the right people",
        "positive:I_enjoy it more than I expected",
        "it leaves me positive:calm in the evening",
        "everything about it is positive:beautiful to me",
        "positive:I_feel_proud when it is done",
    ),
    "motivation": (
        "motivation:it_is_important to me",
        "motivation:I_am_interested in where it leads",
        "motivation:it_is_worth_it in my eyes",
        "my motivation:goal for the year is right there",
        "motivation:I_am_eager to see how far I get",
        "I find it motivation:meaningful and a little bold",
    ),
    "negative": (
        "negative:I_hate the sound of it",
        "that part is negative:boring beyond words",
        "negative:it_is_tiring and it drags on",
        "it feels negative:awful on a grey day",
        "negative:it_annoys me from start to finish",
        "it leaves me negative:tired and sour",
        "there is something negative:unpleasant in it",
        "negative:I_dislike how it smells and sounds",
    ),
    "fail": (
        "fail:I_tried it twice and fail:gave_up both times",
        "fail:it_did_not_work the last time",
        "fail:I_stopped after ten days",
        "each attempt went the same way and fail:failed",
        "fail:I_went_back_to the old way by Friday",
    ),
    "excuse": (
        "excuse:there_is_no_time left after work",
        "excuse:the_weather gets in the way",
        "excuse:I_am_too_busy until the summer",
        "excuse:it_is_too_expensive right now",
        "excuse:the_shop is too far away",
    ),
    "no_motivation": (
        "no_motivation:I_put_it_off again and again",
        "no_motivation:I_am_too_tired by then",
        "no_motivation:I_can't_be_bothered most days",
        "there is no_motivation:no_energy for it in me",
        "no_motivation:I_don't_feel_like it on Mondays",
    ),
}

#: clauses that say nothing for or against; they fill long answers
NEUTRAL: tuple[str, ...] = (
    "it takes about twenty minutes from door to door",
    "there are two ways to go about it",
    "most of it happens between five and six",
    "the things for it hang behind the door",
    "it is the same in summer and in winter",
    "a neighbour told me about it years ago",
    "I write it down on a piece of paper first",
    "the street is empty at that hour",
    "we talk about it at the table now and then",
    "it starts with a bag and a list",
    "the room is small and has one window",
    "my brother does it on the other side of town",
    "there is a bench next to the gate",
    "it was the same the year before last",
    "you turn left after the bakery",
    "the clock on the wall is five minutes fast",
)

#: what is said in an A/H segment that is too short for a clause
SHORT_PHRASES: tuple[str, ...] = (
    "hedge:I_don't_know",
    "hedge:maybe",
    "hedge:I_guess so",
    "well hedge:sort_of",
    "it is both",
    "I go back and forth",
)

#: probability that a clause outside A/H takes a side at all, the same for all questions (and about
#: as in A/H)
TAKES_A_SIDE = 0.85
#: probability that a side is for, not against, per question
LEANING: dict[int, float] = {1: 0.5, 2: 0.8, 3: 0.2, 4: 0.5, 5: 0.75, 6: 0.25, 7: 0.5}

#: StressID: what is said in the tasks with speech (counting and reading are the same for everybody)
READING: tuple[str, ...] = (
    "the ferry leaves the harbour at a quarter to nine",
    "gulls follow it until the second buoy",
    "on deck a man sells tea from a steel can",
    "the far shore looks like a grey pencil line",
    "children count the waves and lose count at once",
    "by noon the ropes are tied to the other pier",
)
SPEAKING: tuple[str, ...] = (
    "my name is on the list and I would like the post",
    "I have worked in three different teams",
    "my strong side is that I keep things in order",
    "my weak side is that I plan too much",
    "in five years I see myself with a small group",
    "there was one project that went off course",
)
NUMBERS: tuple[str, ...] = (
    *(
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
COLOURS: tuple[str, ...] = ("red", "green", "blue", "yellow", "black", "brown")
