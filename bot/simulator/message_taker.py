"""The business's side: takes messages and read marks, unless a rule forbids it."""

from typing import Any

from bot.simulator.customers import BSUID, Bubble, Customer, SentMessage, move
from bot.simulator.faults import FaultKind
from bot.simulator.rate_rules import PairRate
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.send_fields import Send, Shelves
from bot.simulator.send_rules import check_product, read_send
from bot.simulator.status_reporter import Taken
from bot.simulator.world import World, new_wamid

DAY_MS = 24 * 3600 * 1000
WINDOW_MS = DAY_MS
OLDEST_MS = 30 * DAY_MS  # of a message that is marked as read, or reacted to (WHATSAPP.md 4.2, 4.3)
CLOSED = "More than 24 hours have passed since the customer last replied."


class MessageTaker:
    """`take` for sends, `mark_read` for read marks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pairs = PairRate(world.clock)

    def take(self, envelope: dict[str, Any]) -> tuple[Taken, dict[str, Any]]:
        """Accept a message and put it on the customer's phone; with Meta's answer. Raises MetaRefusalError."""
        self._check_number()
        now = self._world.clock.now()
        send = read_send(envelope, Shelves(self._world.media, self._world.templates, now))
        customer = self._recipient(send)
        self._world.rate.check_send()
        wamid = new_wamid(send.address)
        if customer is None:
            self._world.counts["vanished"] += 1
            bubble = _bubble(send, wamid, now)
        else:
            self._check_customer(customer, send, now)
            bubble = self._put(customer, send, wamid, now)
            sent = SentMessage(wamid, customer.id, send.text, send.callback_data, now, envelope)
            self._world.record(customer, sent)
        return Taken(wamid, send, bubble, customer), self._answer(send, customer, wamid)

    def mark_read(self, envelope: dict[str, Any]) -> dict[str, Any]:
        """Mark a customer's message and all before it as read; show "typing" if asked. Raises MetaRefusalError."""
        self._check_number()
        check_product(envelope)
        wamid, typing = envelope.get("message_id"), envelope.get("typing_indicator")
        customer = self._world.customers.owner(wamid) if isinstance(wamid, str) else None
        bubble = self._world.customers.bubble(str(wamid))
        if customer is None or bubble is None or self._world.clock.now() - bubble.at > OLDEST_MS:
            raise MetaRefusalError(131009, "Parameter message_id is not a message of a customer, of the last 30 days.")
        if typing is not None and typing != {"type": "text"}:
            raise MetaRefusalError(100, 'typing_indicator must be {"type": "text"}.')
        self._world.counts["reads"] += 1
        self._world.read_marks.append(str(wamid))
        for earlier in customer.bubbles:
            if earlier.by_customer and move(earlier, "read"):
                self._tell_status(customer, earlier)
            if earlier.wamid == wamid:
                break
        if typing:
            self._world.counts["typing"] += 1
            self._world.feed.tell("typing", {"customer": customer.id})
        return {"success": True}

    def addressee(self, envelope: dict[str, Any]) -> tuple[str, ...]:
        """Whom a send is for, when it says: the phone's digits or the BSUID."""
        to, recipient = envelope.get("to"), envelope.get("recipient")
        if isinstance(to, str) and to:
            return (to if BSUID.fullmatch(to) else self._digits(to),)
        return (recipient,) if isinstance(recipient, str) and not to else ()

    def reader(self, envelope: dict[str, Any]) -> tuple[str, ...]:
        """Whose message a read mark is for, when there is such a message."""
        wamid = envelope.get("message_id")
        customer = self._world.customers.owner(wamid) if isinstance(wamid, str) else None
        return (customer.id,) if customer else ()

    def _check_number(self) -> None:
        if self._world.account.status != "CONNECTED":
            raise MetaRefusalError(133010, "The phone number is not registered with the Cloud API.")

    def _recipient(self, send: Send) -> Customer | None:
        address = send.address
        if not send.by_bsuid and BSUID.fullmatch(address):
            return None
        if not send.by_bsuid:
            address = self._phone(address)
        customer = self._world.customers.find(address)
        if customer is not None:
            return customer
        if send.by_bsuid and self._world.settings.check_window:
            raise MetaRefusalError(131009, "Parameter recipient is not a user of this business.")
        if self._world.settings.check_window and not send.is_template:
            raise MetaRefusalError(131047, CLOSED)
        customer = self._world.customers.meet(address)
        self._world.feed.tell("customer", customer.shown())
        return customer

    def _phone(self, address: str) -> str:
        """The digits, unless the number may not be written to. Raises MetaRefusalError."""
        digits = self._digits(address)
        if digits == "".join(filter(str.isdigit, self._world.settings.display_phone_number)):
            raise MetaRefusalError(131021, "Recipient phone number is the sender's own.")
        allowed = self._world.account.allowed
        if allowed is not None and digits not in allowed:
            raise MetaRefusalError(131030, "Recipient phone number not in allowed list of this test number.")
        return digits

    def _digits(self, address: str) -> str:
        """Meta may take a number without "+" for one of the business's own country (WHATSAPP.md 4.1)."""
        return address[1:] if address.startswith("+") else self._world.settings.country_code + address

    def _check_customer(self, customer: Customer, send: Send, now: int) -> None:
        if send.by_bsuid and self._world.account.allowed is not None:
            raise MetaRefusalError(131030, "The allowed list of a test number knows no user ids.")
        if send.identity is not None and send.identity != customer.identity:
            raise MetaRefusalError(137000, "The recipient's identity key hash does not match.")
        last = customer.last_wrote_at
        open_window = last is not None and now - last <= WINDOW_MS
        if self._world.settings.check_window and not send.is_template and not open_window:
            raise MetaRefusalError(131047, CLOSED)
        if send.category == "marketing" and not customer.wants_marketing:
            raise MetaRefusalError(131050, "The customer has stopped marketing messages from this business.")
        if send.reacts_to is not None:
            self._check_reaction(customer, send.reacts_to, now)
        if self._world.settings.check_pair_rate:
            self._pairs.check(customer)

    def _check_reaction(self, customer: Customer, target: str, now: int) -> None:
        bubble = self._world.customers.bubble(target)
        if bubble is None or self._world.customers.owner(target) is not customer or now - bubble.at > OLDEST_MS:
            raise MetaRefusalError(131009, "reaction.message_id is not a message of this chat, of the last 30 days.")

    def _put(self, customer: Customer, send: Send, wamid: str, now: int) -> Bubble:
        """Show the message, or the reaction on the message that it is for."""
        target = self._world.customers.bubble(send.reacts_to) if send.reacts_to else None
        if target is None:
            bubble = _bubble(send, wamid, now)
            self._world.customers.add(customer, bubble)
            self._world.feed.tell("message", bubble.shown(customer.id))
            return bubble
        target.reactions["business"] = send.text
        if not send.text:
            del target.reactions["business"]
        self._world.feed.tell("changed", target.shown(customer.id))
        return _bubble(send, wamid, now)

    def _answer(self, send: Send, customer: Customer | None, wamid: str) -> dict[str, Any]:
        contact: dict[str, Any] = {"input": send.address}
        if send.by_bsuid and customer:
            contact["user_id"] = customer.user_id
        elif customer:
            contact["wa_id"] = customer.phone
        message = {"id": wamid}
        if send.is_template:
            held = self._world.faults.strikes(FaultKind.HELD, *([customer.id] if customer else []))
            message["message_status"] = "held_for_quality_assessment" if held else "accepted"
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}

    def _tell_status(self, customer: Customer, bubble: Bubble) -> None:
        change = {"customer": customer.id, "wamid": bubble.wamid, "status": bubble.status}
        self._world.feed.tell("status", change)


def _bubble(send: Send, wamid: str, now: int) -> Bubble:
    return Bubble(
        wamid,
        by_customer=False,
        text=send.text,
        at=now,
        quoted=send.quoted,
        buttons=send.buttons,
        menu=send.menu,
        header=send.header,
        footer=send.footer,
        kind=send.type,
        attachment=send.attachment,
    )
