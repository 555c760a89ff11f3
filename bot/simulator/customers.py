"""The customers of the simulated WhatsApp and what is on their phones."""

import re
import zlib
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

BSUID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")  # WHATSAPP.md 3.1
UNSEEN_LIMIT = 100
PROGRESS = {"": 0, "sent": 1, "delivered": 2, "read": 3, "failed": 4}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file on a bubble. `kind` is image, video, audio, voice, document or sticker; `media_id` is the store's.

    A file that was sent by link has a `link` and no `media_id`: nobody but its host has it.
    """

    kind: str
    mime_type: str
    size: int = 0
    filename: str | None = None
    media_id: str | None = None
    link: str | None = None


class Choice(NamedTuple):
    """A button, or a row of a list. Only rows may have a description."""

    id: str
    title: str
    description: str = ""


@dataclass(slots=True)
class Bubble:
    """One message on a customer's phone. `status` is "", sent, delivered, read or failed.

    `kind` is the message's type; what the page cannot draw, it shows by `text`. `reactions` are emojis by who gave
    them, "customer" or "business".
    """

    wamid: str
    by_customer: bool
    text: str
    at: int
    status: str = ""
    quoted: str | None = None
    buttons: tuple[Choice, ...] = ()
    menu: str | None = None
    header: str | None = None
    footer: str | None = None
    kind: str = "text"
    attachment: Attachment | None = None
    reactions: dict[str, str] = field(default_factory=dict)
    edited: bool = False
    revoked: bool = False

    def shown(self, customer: str) -> dict[str, Any]:
        """As the page takes it."""
        return {
            "customer": customer,
            "wamid": self.wamid,
            "by_customer": self.by_customer,
            "text": self.text,
            "at": self.at,
            "status": self.status,
            "quoted": self.quoted,
            "buttons": [choice._asdict() for choice in self.buttons],
            "menu": self.menu,
            "header": self.header,
            "footer": self.footer,
            "kind": self.kind,
            "attachment": asdict(self.attachment) if self.attachment else None,
            "reactions": dict(self.reactions),
            "edited": self.edited,
            "revoked": self.revoked,
        }


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that WhatsApp took. `customer` is the phone's digits or a BSUID, `body` the JSON as it came."""

    wamid: str
    customer: str
    text: str
    attempt_id: str | None
    at: int
    body: dict[str, Any] = field(repr=False)


@dataclass(slots=True)
class Customer:
    """A person with WhatsApp. `phone` is digits; None when the person hides it. Every person has a BSUID."""

    user_id: str
    name: str
    phone: str | None
    username: str | None = None
    last_wrote_at: int | None = None
    wants_marketing: bool = True
    burst_at: float = 0.0
    burst_size: int = 0
    bubbles: deque[Bubble] = field(default_factory=deque)
    unseen: deque[SentMessage] = field(default_factory=lambda: deque(maxlen=UNSEEN_LIMIT))

    @property
    def id(self) -> str:
        """The phone's digits, or the BSUID of somebody who hides it."""
        return self.phone or self.user_id

    @property
    def identity(self) -> str:
        """What `recipient_identity_key_hash` must be, when a send names one (WHATSAPP.md 4.1)."""
        return f"{zlib.crc32(self.user_id.encode()):08x}"

    def contact(self) -> dict[str, Any]:
        """An element of `contacts[]` (WHATSAPP.md 2.1, 3.2): a hidden phone is left out, not empty."""
        profile = {"name": self.name} | ({"username": self.username} if self.username else {})
        contact: dict[str, Any] = {"profile": profile, "user_id": self.user_id}
        return contact | ({"wa_id": self.phone} if self.phone else {})

    def shown(self) -> dict[str, Any]:
        """As the page takes it."""
        return {"id": self.id, "name": self.name, "phone": self.phone, "username": self.username}


class Customers:
    """Everybody, by phone and by BSUID; who was idle longest is forgotten beyond `keep_customers`."""

    def __init__(self, keep_customers: int, keep_messages: int) -> None:
        self._keep_customers = keep_customers
        self._keep_messages = keep_messages
        self._people: OrderedDict[str, Customer] = OrderedDict()
        self._owners: dict[str, Customer] = {}

    def __iter__(self) -> Iterator[Customer]:
        return iter(self._people.values())

    def __len__(self) -> int:
        return len(self._people)

    def find(self, phone_or_bsuid: str) -> Customer | None:
        """By phone ("+" or not) or BSUID."""
        return self._people.get(_user_id(phone_or_bsuid))

    def names(self, phone_or_bsuid: str) -> set[str]:
        """All that a person goes by, as digits and BSUID; somebody unknown by what was given alone."""
        try:
            known = self.find(phone_or_bsuid)
        except ValueError:
            known = None
        return {phone_or_bsuid.removeprefix("+")} | ({known.id, known.user_id} if known else set())

    def meet(self, phone_or_bsuid: str, name: str | None = None, username: str | None = None) -> Customer:
        """The customer, made when new: a BSUID alone is somebody who hides the phone."""
        user_id = _user_id(phone_or_bsuid)
        customer = self._people.get(user_id)
        if customer is None:
            phone = None if BSUID.fullmatch(phone_or_bsuid) else phone_or_bsuid.lstrip("+")
            customer = Customer(user_id, name or f"Customer {phone or user_id}", phone, username)
            self._people[user_id] = customer
            self._forget()
        self._people.move_to_end(user_id)
        return customer

    def rename(self, customer: Customer, phone: str) -> str:
        """Give a customer another phone, and with it another BSUID (WHATSAPP.md 3.1); the old BSUID.

        A hidden phone stays hidden: nobody is found by it, neither before nor after. Raises ValueError.
        """
        old, digits = customer.user_id, phone.lstrip("+")
        user_id = _user_id(digits)
        if user_id in self._people:
            raise ValueError("this phone is somebody else's")
        if customer.phone is None:
            user_id = f"{old[:3]}{zlib.crc32(f'{old} {digits}'.encode()):010d}{zlib.crc32(old.encode()):010d}"
        else:
            customer.phone = digits
        del self._people[old]
        customer.user_id = user_id
        self._people[customer.user_id] = customer
        return old

    def add(self, customer: Customer, bubble: Bubble) -> None:
        """Put a message on a phone; the oldest goes when there are too many."""
        if len(customer.bubbles) >= self._keep_messages:
            self._owners.pop(customer.bubbles.popleft().wamid, None)
        customer.bubbles.append(bubble)
        self._owners[bubble.wamid] = customer

    def bubble(self, wamid: str) -> Bubble | None:
        """A message on anybody's phone."""
        person = self._owners.get(wamid)
        return next((bubble for bubble in person.bubbles if bubble.wamid == wamid), None) if person else None

    def owner(self, wamid: str) -> Customer | None:
        """On whose phone a message is."""
        return self._owners.get(wamid)

    def _forget(self) -> None:
        while len(self._people) > self._keep_customers:
            _, customer = self._people.popitem(last=False)
            for bubble in customer.bubbles:
                self._owners.pop(bubble.wamid, None)


def move(bubble: Bubble, status: str) -> bool:
    """Move a message's status forward, never back; whether it moved."""
    if PROGRESS[status] <= PROGRESS[bubble.status]:
        return False
    bubble.status = status
    return True


def _user_id(phone_or_bsuid: str) -> str:
    if BSUID.fullmatch(phone_or_bsuid):
        return phone_or_bsuid
    digits = phone_or_bsuid.lstrip("+")
    if not digits.isascii() or not digits.isdigit():
        raise ValueError("a customer is a phone number in digits or a BSUID")
    # A person's BSUID says nothing about the phone: derived here so that it is the same in every run.
    return f"US.{zlib.crc32(digits.encode()):010d}{digits[::-1]}"
