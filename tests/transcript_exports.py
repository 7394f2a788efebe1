"""Texts of our own in the forms in which Zoom, Teams, Otter, Google Meet and Webex export them."""

from __future__ import annotations

ZOOM_SAVED = """[Ana Ruiz] 13:32:23
Are you ready?

[LAB 2 - Ben] 13:32:28
Yes, I am.

[ben lee] 13:32:28
So am I.

[Ana Ruiz] 13:32:35
Good.

[LAB 2 - Ben] 13:32:41
Let us begin.
"""
ZOOM_PAGE = """Ana Ruiz
00:00:02
Are you ready?
So
user avatar
Unknown Speaker
00:00:06
yes, I am.
user avatar
Ana Ruiz
00:00:09
Good.
"""
TEAMS_DOCX = """Interview 4-20260615_133555-Meeting Transcript
15 June 2026, 03:35am
27m 42s

Ana Ruiz started transcription

Ana Ruiz   0:03
Are you ready?

Ben Lee   0:05
Yes, I am.
I think.

Ana Ruiz   0:09
Good.

Ana Ruiz stopped transcription
"""
OTTER = (
    "Ana Ruiz  0:00  \nAre you ready?\n\nSpeaker 2  0:03  \nYes, I am.\n\n"
    "Unknown Speaker  0:05  \nSo am I.\n\nAna Ruiz  0:09  \nGood.\n\n"
    "Transcribed by https://otter.ai\n"
)
OTTER_UNTIMED = (
    "Ana Ruiz  \nAre you ready?\n\nSpeaker 2  \nYes, \n\nAna Ruiz  \nGood.\n\nThank you.\n\n"
    "Speaker 2  \nI am.\n\nTranscribed by https://otter.ai\n"
)
MEET_ENDS = (
    "This editable transcript was computer generated and might contain errors. People can also "
    "change the text after it was created."
)
MEET = f"""abc-defg-hij (2025-06-03 11:02 GMT-4) - Transcript
Attendees
Ana Ruiz, Ben Lee, Ben Lee's Presentation
Transcript
Ana Ruiz: Are you ready?
Ben Lee:
Ben Lee: Yes, I am.
00:05:00
Ana Ruiz: Good.
Meeting ended after 00:07:12 👋
{MEET_ENDS}
"""
MEET_NOTES = f"""# **📝 Notes**

Ben Lee said that he is ready.

# **📖 Transcript**

Jul 20, 2026

## **Interview 4 \\- Transcript**

### **00:00:50**

**Ana Ruiz:** Are you ready?

**Ben Lee:** Yes, I am.

### **00:02:36** {{#00:02:36}}

**Ana Ruiz:** Good.

### **Transcription ended after 00:03:20**

*{MEET_ENDS}*
"""


def zoom(*lines: str) -> str:
    """A transcript of Zoom's cloud with these lines."""
    cues = [
        f"{k}\n00:00:{3 * k:02d}.000 --> 00:00:{3 * k + 2:02d}.000\n{line}\n"
        for k, line in enumerate(lines, 1)
    ]
    return "\n".join(["WEBVTT\n", *cues])


ZOOM_CLOUD = zoom(
    "Ana Ruiz (she/her): Are you ready?",
    "iphone: Yes, I am.",
    "Ana Ruiz (she/her): Good.",
    "I would",
    "Ana Ruiz (she/her): like that.",
    "Maria del Carmen de la Cruz: Hello.",
    "iphone: I think: yes.",
    "Ana Ruiz (she/her): Good.",
    "iphone: Yes.",
    "Ana Ruiz (she/her): Good.",
)
TEAMS_VTT = """WEBVTT

1b2c3d4e-3364-4c0c-a05b-70f360077a3c/9-0
00:00:03.138 --> 00:00:03.618
<v Ana Ruiz>Caf&#233; &amp; tea?
Are you ready?</v>

1b2c3d4e-3364-4c0c-a05b-70f360077a3c/19-0
00:00:04.388 --> 00:00:07.128
<v Lee, Ben>Yes, I</v>

1b2c3d4e-3364-4c0c-a05b-70f360077a3c/19-1
00:00:07.128 --> 00:00:07.368
<v Lee, Ben>am.</v>
"""
WEBEX = """WEBVTT

1 "Ana & Co <1>" (126)
00:00:00.000 --> 00:00:02.000
Are you ready?

2 "" (0)
00:00:02.000 --> 00:00:03.000
Yes.

3 "Ana & Co <1>" (126)
00:00:03.000 --> 00:00:04.000
Good.
"""
MEET_CAPTIONS = """WEBVTT

00:00:08.000 --> 00:00:12.000
(Ana Ruiz)
Are you

00:00:12.000 --> 00:00:16.000
(Ana Ruiz)
ready?
-
 
(Ben Lee)
Yes, (I think)

00:00:16.000 --> 00:00:18.000
(Ben Lee)
I am.

00:00:18.000 --> 00:00:20.000
(Ana Ruiz)
(laughs)
Good.
"""
OLD_TEAMS = """WEBVTT

0:0:1.250 --> 0:0:3.40
<v Ben>Yes.</v>

0:0:10.20 --> 0:0:11.970
<v Ben>Good.</v>
"""
#: For whoever damages them, by the end of their names.
BY_SUFFIX = {
    ".txt": (ZOOM_SAVED, ZOOM_PAGE, TEAMS_DOCX, OTTER, OTTER_UNTIMED, MEET, MEET_NOTES),
    ".vtt": (ZOOM_CLOUD, TEAMS_VTT, WEBEX, MEET_CAPTIONS, OLD_TEAMS),
}
