"""Who works where."""

from dataclasses import dataclass

NAME = "Acme"

PASSWORD = "corridor-demo"
"""Of everybody: this company exists on loopback only."""


@dataclass(frozen=True, slots=True)
class Department:
    key: str
    """Name of its folder; its port is the base plus `number`."""
    name: str
    number: int
    about: str
    roles: tuple[str, ...] = ("member",)
    """On the company's roster."""


@dataclass(frozen=True, slots=True)
class Person:
    """`manager` is the key of somebody of the same department; who reports to another one, see story.MANAGERS."""

    key: str
    """Also the user name."""
    name: str
    department: str
    title: str
    note: str
    manager: str | None = None
    roles: tuple[str, ...] = ("employee",)
    executive: bool = False
    fields: tuple[tuple[str, str], ...] = ()


DEPARTMENTS = (
    Department("engineering", "Engineering", 1, "Pumps, drives and what keeps them running."),
    Department("field", "Field Service", 2, "Out at the customers', from the harbour to the waterworks."),
    Department(
        "communications",
        "Communications",
        3,
        "What the company says, and what it hears.",
        roles=("member", "communications"),
    ),
)

PEOPLE = (
    # The first of each department leads it: managers come before those who report to them.
    Person(
        "carla",
        "Carla Weiss",
        "engineering",
        "Head of Pump Engineering",
        "Responsible for the P-series. Ask me about #pumps and #reliability.",
        roles=("employee", "admin"),
    ),
    Person(
        "anna",
        "Anna Berger",
        "engineering",
        "Vibration specialist",
        "Twelve years of #vibration and #bearings. I read spectra for breakfast.",
        manager="carla",
        fields=(("Lab", "Hall 3, second floor"), ("Ask me about", "#vibration")),
    ),
    Person(
        "li",
        "Li Chen",
        "engineering",
        "Materials engineer",
        "Seals, elastomers, corrosion. #seals #materials",
        manager="carla",
    ),
    Person(
        "marek",
        "Marek Novak",
        "engineering",
        "Control software",
        "Drives and their firmware: #firmware #drives",
        manager="carla",
    ),
    Person(
        "ruth",
        "Ruth Adler",
        "field",
        "Head of Field Service",
        "Forty technicians, nine depots. #fieldservice",
        roles=("employee", "admin"),
    ),
    Person(
        "tom", "Tom Okafor", "field", "Service technician, North", "Waterworks and breweries. #pumps", manager="ruth"
    ),
    Person(
        "sofia",
        "Sofia Lund",
        "field",
        "Service technician, Harbour",
        "Everything that pumps salt water.",
        manager="ruth",
    ),
    Person("ravi", "Ravi Patel", "field", "Service technician, South", "Paper mills, mostly at night.", manager="ruth"),
    Person(
        "nina",
        "Nina Rossi",
        "communications",
        "Head of Communications",
        "Plain words about complicated machines.",
        roles=("employee", "admin", "comms"),
    ),
    Person(
        "eva",
        "Eva Martin",
        "communications",
        "Chief executive",
        "I read more than I post. Tell me what I should know. #strategy",
        executive=True,
    ),
    Person(
        "jonas",
        "Jonas Fischer",
        "communications",
        "Customer communications",
        "What customers ask, and what we answer. #customers",
        manager="nina",
        roles=("employee", "comms"),
    ),
    Person(
        "olivia",
        "Olivia Brandt",
        "communications",
        "Trainee, first week",
        "New here! Trying to find out who does what.",
        manager="nina",
    ),
)


def people_of(department: str) -> list[Person]:
    return [person for person in PEOPLE if person.department == department]
