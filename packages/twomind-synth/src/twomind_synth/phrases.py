"""What synthetic people talk about. All sentences were written for this project; none comes from a
participant.

Mark-up: ``kind:word_word`` gives words a kind (``contrast:but``, ``hedge:I_guess``); ``{do}`` and
``{doing}`` are the topic's verb phrases. A clause is spoken in one breath.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One subject of an answer: its verb phrases and plain facts, each one clause."""

    do: str
    doing: str
    facts: tuple[str, ...]


#: question → topics; the questions are the seven of BAH (``question_meaning``)
TOPICS: dict[int, tuple[Topic, ...]] = {
    1: (
        Topic(
            "get up before the sun",
            "getting up early",
            (
                "the alarm rings at a quarter past six",
                "I open the curtains and feed the cat",
                "after that I boil water for a big mug of tea",
                "I wash my face and look for two matching socks",
                "then I read the weather and pack my bag",
                "around eight I lock the door and walk to the tram",
            ),
        ),
        Topic(
            "stretch every morning",
            "stretching on the carpet",
            (
                "first thing I switch on the small lamp",
                "I put the kettle on and toast some bread",
                "I take a short shower with the radio on",
                "next I make the bed and air the room",
                "I answer two or three messages over breakfast",
                "by half past seven I sit at my desk",
            ),
        ),
        Topic(
            "cook a proper breakfast",
            "cooking in the morning",
            (
                "I wake up with the light and drink a glass of water",
                "then I let the dog out into the garden",
                "there is porridge with an apple most days",
                "I brush my teeth and comb my hair",
                "I check the list on the fridge door",
                "the bus comes at ten to nine",
            ),
        ),
    ),
    2: (
        Topic(
            "sing in the choir",
            "singing in the choir",
            (
                "we meet on Tuesdays in an old school hall",
                "thirty voices fill the whole room and I feel light",
                "everybody laughs when the basses come in too early",
                "the songs stay in my head all week",
                "it makes me happy on the way home",
                "I have found good friends there",
            ),
        ),
        Topic(
            "paddle on the lake",
            "paddling on the lake",
            (
                "the water is flat like glass in the evening",
                "I see herons and sometimes an otter",
                "nobody calls me out there and that is wonderful",
                "my shoulders feel strong afterwards",
                "the cold air wakes me up",
                "I smile the whole time without noticing",
            ),
        ),
        Topic(
            "bake bread with my niece",
            "baking with my niece",
            (
                "she stands on a stool and throws flour at me",
                "the kitchen smells of warm crust",
                "we taste the first slice with salted butter",
                "she tells me everything about her week",
                "it is the best hour of my Saturday",
                "we give one loaf to the neighbour",
            ),
        ),
    ),
    3: (
        Topic(
            "scrub the oven",
            "scrubbing the oven",
            (
                "the grease sticks to everything I touch",
                "that spray bites in my nose",
                "my knees hurt on the hard tiles",
                "a week later it looks exactly as bad as before",
                "I hate the smell of it",
                "it eats up half of my Sunday",
            ),
        ),
        Topic(
            "iron the shirts",
            "ironing shirts",
            (
                "the pile grows while I look at it",
                "the collar never lies the way it should",
                "steam gets in my face the whole time",
                "it is dull and it is hot",
                "I burned a sleeve last spring",
                "five shirts take me a whole evening",
            ),
        ),
        Topic(
            "sort the tax papers",
            "sorting the tax papers",
            (
                "every receipt hides in a different drawer",
                "the forms read like a bad riddle",
                "I get tense when I see the folder",
                "one wrong number and it all comes back",
                "it ruins the first week of spring",
                "nobody ever says thank you for it",
            ),
        ),
    ),
    4: (
        Topic(
            "stop eating sweets at night",
            "eating sweets at night",
            (
                "there is a jar beside the sofa",
                "chocolate with nuts is the one I reach for",
                "it goes well with a film",
                "the dentist told me twice this year",
                "I sleep worse after a lot of sugar",
                "my sister gave up sugar in a month",
            ),
        ),
        Topic(
            "put the phone away in bed",
            "scrolling in bed",
            (
                "the screen lights up the whole room",
                "one short film leads to the next one",
                "it is already one in the morning then",
                "I am tired at work the day after",
                "it does relax me in a way",
                "all my friends send jokes at midnight",
            ),
        ),
        Topic(
            "start running again",
            "running",
            (
                "my shoes stand by the door since March",
                "there is a nice path along the canal",
                "I used to do five kilometres with ease",
                "winter came and the couch was warmer",
                "a colleague asks me along every week",
                "I feel proud after a good run",
            ),
        ),
    ),
    5: (
        Topic(
            "help a friend to move house",
            "helping friends to move",
            (
                "I own a van and two strong straps",
                "carrying boxes is fun in good company",
                "there is always pizza on the floor afterwards",
                "just call me and I am there",
                "I did it four times last year",
                "I like to see the new places",
            ),
        ),
        Topic(
            "play a board game",
            "playing board games",
            (
                "we have a shelf full of them",
                "even a quick round before dinner is great",
                "my family knows they can always ask me",
                "I never say no to a game of cards",
                "winning is nice and losing is fine",
                "it brings everybody to one table",
            ),
        ),
        Topic(
            "take the dog for a walk",
            "walking the dog",
            (
                "rain or snow does not bother me",
                "he waits with the leash between his teeth",
                "the park is three minutes away",
                "I meet half the street on the way",
                "fresh air clears my mind",
                "my boots are always ready",
            ),
        ),
    ),
    6: (
        Topic(
            "jump from a bridge on a rope",
            "jumping from bridges",
            (
                "my cousin does it every summer",
                "I would never step over that rail",
                "my stomach turns when I watch the videos",
                "no money in the world gets me up there",
                "the ground is a fine place to be",
                "people call it freedom and I call it falling",
            ),
        ),
        Topic(
            "gamble with my savings",
            "gambling online",
            (
                "some people at work bet every weekend",
                "I refuse to open an account there",
                "the house wins in the end",
                "I work too hard for my wages",
                "a neighbour lost his car that way",
                "you will not see me at that table",
            ),
        ),
        Topic(
            "get a tattoo on my face",
            "tattooing the face",
            (
                "it looks great on a few singers",
                "I do not want ink on my cheeks",
                "needles are not for me anyway",
                "it would still be there at eighty",
                "I say no every time they ask",
                "a plain face is good enough",
            ),
        ),
    ),
    7: (
        Topic(
            "apply for the job in the north",
            "moving to the north",
            (
                "the advert lies on my table since August",
                "the pay is better and the sea is close",
                "my parents live around the corner here",
                "they need an answer by the end of the month",
                "I know one person up there",
                "the flat here is cheap and quiet",
            ),
        ),
        Topic(
            "learn to drive",
            "taking driving lessons",
            (
                "the school is across the street",
                "a licence would make the shopping easier",
                "lessons cost a lot these days",
                "the traffic in town is wild",
                "my uncle offered me his old car",
                "I get everywhere by train so far",
            ),
        ),
        Topic(
            "adopt a second dog",
            "adopting another dog",
            (
                "the shelter sends me pictures",
                "there is one with a white ear",
                "the garden is big enough",
                "holidays would get complicated",
                "our old dog likes his peace",
                "the children ask me daily",
            ),
        ),
    ),
}

#: how an answer to each question begins
OPENINGS: dict[int, tuple[str, ...]] = {
    1: (
        "my mornings all look the same",
        "so this is how my day begins",
        "I am rather quick after waking up",
    ),
    2: ("what gives me joy is {doing}", "I really enjoy {doing}", "the thing I love is {doing}"),
    3: (
        "the chore I like least is {doing}",
        "I cannot stand {doing}",
        "for me the worst job is {doing}",
    ),
    4: (
        "the first thing that comes to mind is {doing}",
        "my weak spot is {doing}",
        "let me tell you about {doing}",
    ),
    5: ("I am always ready to {do}", "anytime you ask me I will {do}", "I gladly {do} on any day"),
    6: (
        "something I would refuse is to {do}",
        "other people like {doing}",
        "I keep away from {doing}",
    ),
    7: (
        "for a long time I have thought about {doing}",
        "one open question is {doing}",
        "I could {do}",
    ),
}

#: how an answer ends; decided, used outside A/H
CLOSINGS: tuple[str, ...] = (
    "and that is the whole story",
    "that is all there is to say",
    "and I am fine with that",
    "so that is my answer",
    "and it will stay that way",
)

#: decided clauses for answers of questions 4 and 7 that show no A/H
DECIDED: tuple[str, ...] = (
    "change_talk:I_made_up_my_mind last week and it feels right",
    "the plan is on the calendar and I follow it",
    "sustain_talk:I_keep_it as it is and I sleep well",
    "it was an easy choice in the end",
)

#: torn clauses: they carry the words of A/H. ``*`` marks where a hesitation fits best.
TORN: tuple[str, ...] = (
    "desire:part_of_me_wants to {do} contrast:but * another part would rather leave it alone",
    "hedge:I_guess obligation:I_should {do} contrast:but * negation:I_never get round to it",
    "desire:I_would_like_to {do} hedge:maybe * and then again negation:I_do_not really know",
    "contrast:on_the_one_hand it draws me * contrast:on_the_other_hand it wears me out",
    "change_talk:I_tell_myself I will {do} next month contrast:but * "
    "sustain_talk:the_month_goes_by "
    "every time",
    "hedge:I_am_not_sure * if negation:I_can't or if desire:I_just_do_not_want to {do}",
    "it would be good for me contrast:though * sustain_talk:I_am_used_to_things the way they are",
    "hedge:sort_of yes contrast:but * hedge:kind_of no as well when it comes to {doing}",
    "obligation:I_ought_to decide contrast:and_yet * I turn it over in my head night after night",
    "desire:I_wish it were simple contrast:but * negation:there_is_never the right moment for "
    "{doing}",
    "change_talk:I_could_try it for a week contrast:however * sustain_talk:it_always_ends up the "
    "same",
    "hedge:perhaps I enjoy {doing} * contrast:but afterwards negation:I_do_not feel good about it",
)

#: hedges put before a clause when the cue is a hedge
HEDGES: tuple[str, ...] = (
    "hedge:I_suppose",
    "hedge:maybe",
    "hedge:I_think",
    "hedge:probably",
    "hedge:I_don't_know",
)

#: beginnings that are dropped when the cue is a correction
RESTARTS: tuple[str, ...] = ("it would", "I was", "they could", "what I", "you can")

#: what each question is made to evoke
MEANING: dict[int, str] = {
    1: "neutral",
    2: "positive",
    3: "negative",
    4: "ambivalent",
    5: "willing",
    6: "resistant",
    7: "hesitant",
}
