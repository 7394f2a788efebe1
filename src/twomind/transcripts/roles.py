"""What people in a conversation are called in a transcript: Interviewer, SPEAKER_01, P02."""

from __future__ import annotations

import re

_ROLE = re.compile(
    r"(?:unknown |unidentified |virtual |male |female )?"
    r"(?:(?:new )?speaker|spk|sprecher(?:in)?|locuteur|intervenant|person|participant|interviewer|"
    r"interviewee|interviewed|respondent|subject|patient|client|therapist|counsell?or|clinician|"
    r"psychologist|psychiatrist|physician|doctor|nurse|moderator|facilitator|researcher|"
    r"experimenter|examiner|investigator|observer|host|guest|caller|operator|narrator|agent|"
    r"interpreter|translator|coach|student|teacher|supervisor|trainer|unlabelled|"
    # German, French, Spanish, Italian, Dutch
    r"interviewte[rn]?|befragte[rn]?|befrager|proband|versuchsperson|versuchsleiter|teilnehmer|"
    r"therapeut|klient|psychologe|berater|forscher|arzt|ärztin|zuhörer|gast|"
    r"intervieweu(?:r|se)|interviewée?|enquêt(?:é|ée|eur|rice)|répondant|participante|"
    r"psychologue|thérapeute|médecin|docteur|soignant|sujet|animat(?:eur|rice)|"
    r"cherch(?:eur|euse)|locutrice|conseill(?:er|ère)|infirmi(?:er|ère)|"
    r"entrevistad(?:o|a|or|ora)|paciente|terapeuta|psic[oó]log[oa]|investigador|"
    r"intervistat(?:o|a|ore|rice)|paziente|deelnemer|cliënt|geïnterviewde|onderzoeker)"
    r"(?:e|in|s|a)?[ _.#-]{0,2}(?:\d{1,4}|[a-z]|\?)?"
)
#: Roles of one letter, and codes of people: P, Q, P01, VP_12.
CODE = re.compile(r"[A-Z]|[A-Z]{1,4}[ _-]?\d{1,4}|INT|RES|RESP|PAR|PT|TH|CL|[A-Z]\.\s?[A-Z]\.?")
_UNKNOWN = re.compile(r"speaker \?")


def is_role(name: str) -> bool:
    """Whether this is what someone in a conversation is called: Interviewer, SPEAKER_01."""
    plain = " ".join(name.casefold().split())
    return bool(_ROLE.fullmatch(plain) or _UNKNOWN.fullmatch(plain))


def is_unknown(name: str) -> bool:
    """Whether a program wrote that it does not know the speaker: ``(speaker ?)``."""
    return bool(_UNKNOWN.fullmatch(" ".join(name.casefold().split())))


def is_aside_of(text: str) -> bool:
    """Whether a text is what somebody else says inside a turn: ``Interviewer: mhm``, ``I: yes``."""
    name, colon, said = text.partition(":")
    is_name = is_role(name) or CODE.fullmatch(name.strip()) is not None
    return bool(colon and said.strip()) and said.startswith(" ") and is_name
