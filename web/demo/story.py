"""What happens in the demo company: a hum in the pumps, noticed in the field, understood in engineering, told to customers.

Steps are data, done in order. `{anna}` in a text is Anna's handle as the author must write it. A step's key is how later
steps, and a later start, name it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Follow:
    who: str
    whom: str


@dataclass(frozen=True, slots=True)
class FollowTag:
    who: str
    tag: str


@dataclass(frozen=True, slots=True)
class Manager:
    """`admin`'s person reports to somebody of another department."""

    admin: str
    whose: str
    manager: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    key: str
    who: str
    text: str
    answers: str | None = None
    visibility: str = "public"
    local_only: bool = False
    warning: str = ""
    spectrum: bool = False
    """With a picture: the spectrum of a pump that hums."""


@dataclass(frozen=True, slots=True)
class React:
    """`act` is favourite, reblog or bookmark; each of `who` does it to `post`."""

    act: str
    post: str
    who: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindExpert:
    """Somebody searches for a tag and sees who writes about it."""

    who: str
    tag: str
    expected: str


Step = Follow | FollowTag | Manager | Post | React | FindExpert


def name_of(step: Step) -> str:
    """The same at every start, different for every step."""
    match step:
        case Follow(who, whom):
            return f"follow {who} {whom}"
        case FollowTag(who, tag):
            return f"tag {who} {tag}"
        case Manager(_, whose, manager):
            return f"manager {whose} {manager}"
        case React(act, post, who):
            return f"{act} {post} {' '.join(who)}"
        case FindExpert(who, tag, _):
            return f"find {who} {tag}"
        case Post(key=key):
            return f"post {key}"


def _follows(who: str, *whom: str) -> list[Step]:
    return [Follow(who, other) for other in whom]


ACQUAINTANCE: tuple[Step, ...] = (
    *_follows("anna", "carla", "li", "tom", "sofia"),
    *_follows("carla", "anna", "li", "marek", "ruth", "eva"),
    *_follows("li", "anna", "carla", "sofia"),
    *_follows("marek", "carla", "anna", "ravi"),
    *_follows("ruth", "tom", "sofia", "ravi", "carla", "eva"),
    *_follows("tom", "ruth", "sofia", "ravi", "anna"),
    *_follows("sofia", "ruth", "tom", "li", "anna"),
    *_follows("ravi", "ruth", "tom", "marek"),
    *_follows("eva", "carla", "ruth", "nina"),
    *_follows("nina", "eva", "jonas", "olivia", "ruth"),
    *_follows("jonas", "nina", "eva", "tom", "carla"),
    *_follows("olivia", "nina", "jonas", "anna", "eva"),
    FollowTag("eva", "customers"),
    FollowTag("marek", "vibration"),
    FollowTag("olivia", "pumps"),
    Manager("carla", "carla", "eva"),
    Manager("ruth", "ruth", "eva"),
    Manager("nina", "nina", "eva"),
)
"""Who knows whom before the story begins."""

A_NORMAL_WEEK: tuple[Step, ...] = (
    Post(
        key="welcome",
        who="nina",
        text="Please welcome {olivia}, who joins us this week. She asks good questions; answer them in the open, "
        "so that everybody learns something. #welcome",
    ),
    Post(
        key="hello",
        who="olivia",
        text="Hello everybody! First day, and three people have already told me about #pumps.",
    ),
    React("favourite", "hello", ("nina", "jonas", "eva", "anna")),
    Post(
        key="bearings",
        who="anna",
        text="How to read a bearing's spectrum in ten minutes: the outer race shows first, and it shows early. "
        "My notes: https://wiki.acme.example/vibration/bearing-spectra #vibration #bearings",
        spectrum=True,
    ),
    React("reblog", "bearings", ("tom", "carla")),
    React("bookmark", "bearings", ("sofia",)),
    Post(
        key="seals",
        who="li",
        text="The new seal compound passed 2,000 hours in brine. Thank you {sofia} for the samples from the harbour! "
        "#seals #materials",
    ),
    React("favourite", "seals", ("sofia", "carla", "ruth")),
    Post(
        key="firmware",
        who="marek",
        text="Drive firmware 4.2 is on its way to the depots. It ramps faster and saves about 3 % energy on the P-40. "
        "Release notes: https://wiki.acme.example/drives/4.2 #firmware #drives",
    ),
    React("reblog", "firmware", ("ravi",)),
    Post(
        key="canteen",
        who="carla",
        text="Canteen is closed on Friday: we grill behind Hall 3, all of engineering is invited.",
        local_only=True,
    ),
    React("favourite", "canteen", ("anna", "li", "marek")),
)

A_HUM: tuple[Step, ...] = (
    Post(
        key="hum-tom",
        who="tom",
        text="Third P-40 this week with a hum at the waterworks, around 1,180 rpm. Nothing loose, bearings are new. "
        "Anybody else? #pumps #vibration",
    ),
    Post(
        key="hum-sofia",
        who="sofia",
        text="{tom} yes! Two at the harbour since Monday, same speed. I thought it was the quay wall.",
        answers="hum-tom",
    ),
    Post(
        key="hum-ravi",
        who="ravi",
        text="{tom} {sofia} same at the paper mill, line 2. The operator asks whether to stop it. #vibration",
        answers="hum-sofia",
    ),
    React("reblog", "hum-tom", ("ruth", "sofia", "ravi")),
    React("favourite", "hum-tom", ("sofia",)),
    FindExpert("tom", "vibration", "anna"),
    Post(
        key="ask",
        who="tom",
        text="{anna} I searched for #vibration and found your notes. Six pumps at three customers hum at 1,180 rpm. "
        "What should we measure? #ask",
        answers="hum-ravi",
    ),
    Post(
        key="answer",
        who="anna",
        text="{tom} good catch. Please take a spectrum at the motor and at the pump, and note the drive's firmware. "
        "If the peak sits at 19.7 Hz on both, it isn't the bearing: it's a resonance. #vibration",
        answers="ask",
    ),
    React("favourite", "answer", ("tom", "sofia", "ravi", "ruth")),
    Post(
        key="spectrum",
        who="sofia",
        text="{anna} here it is. 19.7 Hz on both, and firmware 4.2 on all of mine.",
        answers="answer",
        spectrum=True,
    ),
    Post(
        key="worry",
        who="ruth",
        text="For those who follow me: if this spreads we need nine spare couplings by Friday. I'm moving stock tonight.",
        visibility="private",
    ),
    Post(
        key="boss",
        who="eva",
        text="{ruth} {carla} I see #vibration from three places within an hour. Is anybody in danger, and who has the lead?",
    ),
    Post(
        key="lead",
        who="carla",
        text="{eva} nobody is in danger: it's noise and wear, not a break. Engineering has the lead, {anna} runs it. "
        "First finding today. #pumps",
        answers="boss",
    ),
    React("favourite", "lead", ("eva", "ruth", "nina")),
    React("reblog", "lead", ("ruth",)),
)

NOW: tuple[Step, ...] = (
    Post(
        key="suspect",
        who="marek",
        text="{anna} 4.2 ramps faster, so it stays longer near 1,180 rpm. That could excite the base frame. "
        "I can skip that band in 4.2.1. #firmware",
        answers="spectrum",
    ),
    Post(
        key="test",
        who="anna",
        text="{marek} tried it on the bench: with 1,150 to 1,210 rpm skipped the peak is gone. #vibration #firmware",
        answers="suspect",
        spectrum=True,
    ),
    React("favourite", "test", ("marek", "carla", "tom", "sofia")),
    Post(
        key="customer",
        who="jonas",
        text="Two customers asked about a hum today. What may I tell them? #customers #pumps",
    ),
    Post(
        key="words",
        who="carla",
        text="{jonas} that we know the cause, that it's harmless for a week, and that an update comes tomorrow. #customers",
        answers="customer",
    ),
    React("reblog", "words", ("nina", "ruth")),
    Post(
        key="draft",
        who="nina",
        text="Draft for the customer notice is on my desk, comments until four please. Names of customers stay here.",
        local_only=True,
    ),
    Post(
        key="release",
        who="marek",
        text="Firmware 4.2.1 is out. Depots: please update P-40 drives first. https://wiki.acme.example/drives/4.2.1 "
        "#firmware #drives #pumps",
    ),
    React("reblog", "release", ("ravi", "ruth", "tom", "carla")),
    Post(
        key="fixed",
        who="ravi",
        text="{marek} {anna} paper mill, line 2: updated in four minutes, quiet as a mouse. The operator sends his regards. "
        "#vibration",
        answers="release",
    ),
    React("favourite", "fixed", ("marek", "anna", "carla", "eva")),
    Post(
        key="secret",
        who="olivia",
        text="It was the firmware, the frame only sang along.",
        warning="How the story of the humming pumps ends",
    ),
    Post(
        key="lesson",
        who="anna",
        text="What we learn: a new ramp needs a run-up test on a customer's frame, not only on ours. "
        "Notes: https://wiki.acme.example/vibration/run-up #vibration #reliability",
    ),
    React("reblog", "lesson", ("carla", "tom", "eva")),
    Post(
        key="thanks",
        who="eva",
        text="From the first hum to the fix in two days, because {tom} said it aloud and {anna} was easy to find. "
        "Thank you. #pumps",
    ),
    React("favourite", "thanks", ("tom", "anna", "ruth", "carla", "nina", "olivia")),
    Post(
        key="who",
        who="olivia",
        text="My first week in one sentence: ask in the open, somebody in another building knows. #welcome",
    ),
    React("reblog", "who", ("nina", "eva")),
)
"""Told one by one while the demo runs."""

OPENING: tuple[tuple[str, tuple[Step, ...]], ...] = (
    ("People of three departments follow each other", ACQUAINTANCE),
    ("An ordinary week", A_NORMAL_WEEK),
    ("Something hums", A_HUM),
)
