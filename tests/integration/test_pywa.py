"""pywa, a WhatsApp library of its own make, takes the simulator for Meta: what it cannot use, we simulate wrongly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pywa import errors
from pywa.types.base_update import RawUpdate
from pywa_async import WhatsApp, types
from pywa_async.types import templates

from bot.simulator.customers import Choice
from bot.simulator.faults import FaultKind
from bot.simulator.webhook_events import signature
from tests.fakes.whatsapp_business import ACCOUNT, HIDDEN, MARIA, NUMBER, Business, open_business

PHONE = f"+{MARIA}"
ENGLISH = templates.TemplateLanguage.ENGLISH_US


class Judge:
    """A business that runs on pywa."""

    def __init__(self, business: Business, whatsapp: WhatsApp) -> None:
        self.business, self.whatsapp = business, whatsapp
        self.simulator, self.clock = business.simulator, business.clock

    async def updates(self) -> list[Any]:
        """Every webhook so far, as pywa's types.

        pywa reads the first update of a POST only (WHATSAPP.md 1.4), so the simulator sends each alone here.
        """
        await self.simulator.webhooks_settled()
        found = []
        for body in self.business.door.bodies:
            assert await self.whatsapp.webhook_update_validator(body, signature("secret", body)) is None
            update = RawUpdate(body, hmac_header=None, update_hash="-")
            handler = self.whatsapp._get_handler_type(update)
            assert handler is not None
            found.append(self.whatsapp._handlers_to_updates[handler].from_update(client=self.whatsapp, update=update))
        return found


@asynccontextmanager
async def judged(*, wrote: bool = True, token: str = "token", **settings: Any) -> AsyncIterator[Judge]:
    async with open_business(webhook_batch=1, **settings) as business, httpx.AsyncClient() as session:
        whatsapp = WhatsApp(
            phone_id=NUMBER, token=token, session=session, waba_id=ACCOUNT, app_secret="secret", filter_updates=False
        )
        session.base_url = httpx.URL(f"{business.simulator.url}/v26.0")  # pywa knows Meta's address only
        if wrote:
            await business.simulator.customer_says(MARIA, "Hi")
            await business.simulator.customer_says(HIDDEN, "Hi")
        yield Judge(business, whatsapp)


async def test_a_text_is_sent_and_quoted_and_followed():
    """A text arrives with its quote; its statuses come typed, with the tracker and a price category."""
    async with judged() as judge:
        first = await judge.whatsapp.send_message(PHONE, "Hello", tracker="attempt-1")
        await judge.whatsapp.send_message(PHONE, "And more", reply_to_message_id=first.id)
        on_phone = judge.simulator.conversation(MARIA)
        assert [(bubble.text, bubble.quoted) for bubble in on_phone[1:]] == [("Hello", None), ("And more", first.id)]
        statuses = [update for update in await judge.updates() if isinstance(update, types.MessageStatus)]
        told = [(status.status.value, status.tracker) for status in statuses if status.id == first.id]
        assert told == [("sent", "attempt-1"), ("delivered", "attempt-1"), ("read", "attempt-1")]
        assert all(status.from_user.wa_id == MARIA and status.pricing for status in statuses)


async def test_a_customer_without_a_phone_is_answered_by_user_id():
    """A BSUID goes into `recipient`, and what comes back names no phone."""
    async with judged() as judge:
        sent = await judge.whatsapp.send_message(HIDDEN, "Hello")
        assert sent.chat.id == HIDDEN
        users = [update.from_user for update in await judge.updates() if update.from_user.bsuid == HIDDEN]
        assert len(users) == 4
        assert {user.wa_id for user in users} == {None}


async def test_buttons_lists_and_links_are_taken_and_pressed():
    """Each kind of interactive message is taken; presses come back as pywa's callbacks."""
    async with judged() as judge:
        send = judge.whatsapp.send_message
        buttons = [types.Button("Yes", "y"), types.Button("No", "n")]
        asked = await send(PHONE, "Sure?", header="Order", footer="Bikes", buttons=buttons)
        rows = [types.SectionRow("Small", "s", "to 60 cm"), types.SectionRow("Large", "l")]
        chosen = await send(PHONE, "Which?", buttons=types.SectionList("Sizes", [types.Section("Frames", rows)]))
        await send(PHONE, "Look", buttons=types.URLButton("Open", "https://example.com/bikes"))
        await send(PHONE, "May we call?", buttons=types.CallPermissionRequestButton())
        await send(PHONE, "Your number?", buttons=types.ContactInfoRequestButton())
        await judge.whatsapp.request_location(PHONE, "Where?")
        await judge.simulator.customer_presses(MARIA, "n", quoted=asked.id)
        await judge.simulator.customer_presses(MARIA, "l", quoted=chosen.id)
        updates = await judge.updates()
        [button] = [update for update in updates if isinstance(update, types.CallbackButton)]
        [row] = [update for update in updates if isinstance(update, types.CallbackSelection)]
        assert button.reply_to_message is not None
        assert (button.data, button.title, button.reply_to_message.id) == ("n", "No", asked.id)
        assert (row.data, row.title, row.reply_to_message.id) == ("l", "Large", chosen.id)


async def test_files_go_up_out_and_down_again():
    """An upload gets an id; sent by it, looked up, fetched by its address, and deleted."""
    async with judged() as judge:
        whatsapp = judge.whatsapp
        media = await whatsapp.upload_media(b"%PDF-1.7 menu", mime_type="application/pdf", filename="menu.pdf")
        await whatsapp.send_document(PHONE, media.id, caption="Our menu", filename="menu.pdf")
        shown = judge.simulator.conversation(MARIA)[-1].attachment
        assert shown is not None
        assert (shown.kind, shown.filename, shown.media_id) == ("document", "menu.pdf", media.id)
        address = await whatsapp.get_media_url(media.id)
        assert await whatsapp.get_media_bytes(address.url) == b"%PDF-1.7 menu"
        await whatsapp.delete_media(media.id)
        with pytest.raises(errors.WhatsAppError) as gone:
            await whatsapp.get_media_url(media.id)
        assert (gone.value.code, gone.value.subcode) == (100, 33)


async def test_every_kind_of_content_is_taken():
    """Pictures, films, sounds, voice notes, stickers, places, cards and reactions reach the phone."""
    async with judged() as judge:
        whatsapp = judge.whatsapp
        await whatsapp.send_image(PHONE, b"\x89PNG", caption="Blue", mime_type="image/png")
        await whatsapp.send_image(PHONE, "https://example.com/bike.jpg", caption="Red")
        await whatsapp.send_video(PHONE, b"film", caption="Ride", mime_type="video/mp4")
        await whatsapp.send_audio(PHONE, b"sound", mime_type="audio/mpeg")
        await whatsapp.send_voice(PHONE, b"OggS", mime_type="audio/ogg")
        await whatsapp.send_sticker(PHONE, b"RIFF", mime_type="image/webp")
        await whatsapp.send_location(PHONE, 52.52, 13.405, name="Shop", address="Main street 1")
        name = types.Contact.Name(formatted_name="Shop", first_name="Shop")
        await whatsapp.send_contact(PHONE, types.Contact(name=name, phones=[types.Contact.Phone(phone="+1202")]))
        bubbles = judge.simulator.conversation(MARIA)
        kinds = ["image", "image", "video", "audio", "audio", "sticker", "location", "contacts"]
        assert [bubble.kind for bubble in bubbles[1:]] == kinds
        voice = bubbles[5].attachment
        assert voice is not None
        assert voice.kind == "voice"
        await whatsapp.send_reaction(PHONE, "👍", bubbles[0].wamid)
        assert bubbles[0].reactions == {"business": "👍"}
        await whatsapp.remove_reaction(PHONE, bubbles[0].wamid)
        assert bubbles[0].reactions == {}


async def test_templates_are_made_listed_sent_and_deleted():
    """A template is created, approved by webhook, listed, filled, pressed, and deleted."""
    async with judged(wrote=False, templates_reviewed=False) as judge:
        whatsapp = judge.whatsapp
        body = templates.BodyText(text="Dear {{name}}, your bike is ready.", name="Ann")
        parts = [body, templates.Buttons(buttons=[templates.QuickReplyButton(text="Thanks")])]
        wanted = templates.Template(
            name="ready",
            category=templates.TemplateCategory.UTILITY,
            language=ENGLISH,
            parameter_format=templates.ParamFormat.NAMED,
            components=[*parts],
        )
        created = await whatsapp.create_template(wanted)
        assert created.status == templates.TemplateStatus.PENDING
        filled = [body.params(name="Maria"), templates.QuickReplyButton.params(callback_data="thanks", index=0)]
        with pytest.raises(errors.TemplateNotExists):
            await whatsapp.send_template(PHONE, "ready", ENGLISH, filled)
        judge.simulator.decide_template("ready", "en_US", "APPROVED")
        sent = await whatsapp.send_template(PHONE, "ready", ENGLISH, filled)
        bubble = judge.simulator.conversation(MARIA)[-1]
        assert (bubble.text, bubble.buttons) == ("Dear Maria, your bike is ready.", (Choice("thanks", "Thanks"),))
        await judge.simulator.customer_presses(MARIA, "thanks", quoted=sent.id)
        updates = await judge.updates()
        [decided] = [update for update in updates if isinstance(update, templates.TemplateStatusUpdate)]
        [pressed] = [update for update in updates if isinstance(update, types.CallbackButton)]
        assert decided.new_status == templates.TemplateStatus.APPROVED
        assert (pressed.data, pressed.title) == ("thanks", "Thanks")
        listed = await whatsapp.get_templates(statuses=[templates.TemplateStatus.APPROVED])
        assert {one.name for one in listed} == {"hello_world", "ready"}
        await whatsapp.delete_template("ready")
        assert {one.name for one in await whatsapp.get_templates()} == {"hello_world"}


async def test_messages_are_marked_as_read():
    """A read mark and the typing sign are taken for a customer's message, and for no other."""
    async with judged() as judge:
        first = judge.simulator.conversation(MARIA)[0]
        assert (await judge.whatsapp.mark_message_as_read(first.wamid)).success
        assert (await judge.whatsapp.indicate_typing(first.wamid)).success
        assert first.status == "read"
        with pytest.raises(errors.InvalidParameter):
            await judge.whatsapp.mark_message_as_read("wamid.nobody")


async def test_account_and_number_are_read():
    """The number, its account and its subscription come in pywa's shapes."""
    async with judged() as judge:
        number = await judge.whatsapp.get_business_phone_number()
        assert (number.id, number.status, number.quality_rating) == (NUMBER, "CONNECTED", "GREEN")
        assert [one.id for one in await judge.whatsapp.get_business_phone_numbers()] == [NUMBER]
        account = await judge.whatsapp.get_business_account()
        assert (account.id, account.status) == (ACCOUNT, "ACTIVE")
        assert account.subscribed_apps is not None
        assert len(account.subscribed_apps) == 1


async def test_what_customers_do_is_understood():
    """Files, places, cards, reactions, edits, revocations, preferences and new numbers come as pywa's types."""
    async with judged() as judge:
        phone, first = judge.simulator.phone, judge.simulator.conversation(MARIA)[0].wamid
        phone.sends_file(MARIA, b"picture", "image/jpeg", caption="Broken here", quoted=first)
        phone.sends_file(MARIA, b"OggS", "audio/ogg; codecs=opus", voice=True)
        phone.sends_file(MARIA, b"%PDF", "application/pdf", filename="bill.pdf")
        phone.sends_location(MARIA, 52.52, 13.405, name="Here")
        phone.sends_contacts(MARIA, [("Ben", "+12025550177")])
        phone.reacts(MARIA, first, "👍")
        phone.edits(MARIA, first, "Hello!")
        phone.revokes(MARIA, first)
        phone.prefers_marketing(MARIA, wanted=False)
        updates = await judge.updates()
        of = lambda kind: [update for update in updates if type(update) is kind]  # noqa: E731
        messages = {message.type.value: message for message in of(types.Message) if message.from_user.wa_id == MARIA}
        assert (messages["image"].caption, messages["image"].reply_to_message.id) == ("Broken here", first)
        assert await messages["image"].image.get_bytes() == b"picture"
        assert messages["audio"].voice.mime_type == "audio/ogg; codecs=opus"
        assert messages["document"].document.filename == "bill.pdf"
        assert messages["location"].location.name == "Here"
        assert messages["contacts"].contacts[0].phones[0].phone == "+12025550177"
        assert (messages["reaction"].reaction.message_id, messages["reaction"].reaction.emoji) == (first, "👍")
        assert [edit.message.text for edit in of(types.EditedMessage)] == ["Hello!"]
        assert [gone.original_message_id for gone in of(types.DeletedMessage)] == [first]
        assert [wish.value.value for wish in of(types.UserMarketingPreferences)] == ["stop"]


async def test_a_new_number_is_told():
    """A customer who moves to another phone is told as a change of number, with the old user id."""
    async with judged() as judge:
        old = judge.simulator.customers.meet(MARIA).user_id
        person = judge.simulator.phone.changes_number(MARIA, "12025550199")
        [change] = [update for update in await judge.updates() if isinstance(update, types.PhoneNumberChange)]
        assert (change.new_wa_id, person.phone) == ("12025550199", "12025550199")
        assert person.user_id != old


async def test_failures_that_come_later_are_typed():
    """A failed status is pywa's error. Its `contacts` were added: pywa needs what Meta leaves out (WHATSAPP.md 1.4)."""
    async with judged() as judge:
        judge.simulator.faults.set(FaultKind.FAILED_LATER, next=1, code=131049)
        sent = await judge.whatsapp.send_message(PHONE, "Hello")
        await judge.simulator.webhooks_settled()
        update = RawUpdate(judge.business.door.bodies[-1], hmac_header=None, update_hash="-")
        with pytest.raises(KeyError, match="contacts"):
            types.MessageStatus.from_update(judge.whatsapp, update)
        update["entry"][0]["changes"][0]["value"]["contacts"] = [judge.simulator.customers.meet(MARIA).contact()]
        failed = types.MessageStatus.from_update(judge.whatsapp, update)
        assert failed.id == sent.id
        assert isinstance(failed.error, errors.MessageUndeliverableDueToHealthyEcosystemEngagement)


async def test_a_closed_window_is_a_reengagement_error():
    """After 24 hours only templates go."""
    async with judged() as judge:
        await judge.clock.advance(24 * 3600 + 1)
        with pytest.raises(errors.ReEngagementMessage):
            await judge.whatsapp.send_message(PHONE, "Still there?")
        await judge.whatsapp.send_template(PHONE, "hello_world", ENGLISH, [])


async def test_a_number_without_plus_is_taken_for_one_of_the_own_country():
    """The library passes on what it is given, so a caller who leaves the "+" out writes to somebody else."""
    async with judged() as judge:
        with pytest.raises(errors.ReEngagementMessage):
            await judge.whatsapp.send_message(MARIA, "Hello")


async def test_both_rates_are_throttling_errors():
    """The 46th message to one customer and the 81st in a second are refused, each as its own error."""
    async with judged(check_pair_rate=True) as judge:
        for _ in range(45):
            await judge.whatsapp.send_message(PHONE, "Hello")
        with pytest.raises(errors.TooManyMessages):
            await judge.whatsapp.send_message(PHONE, "Hello")
    async with judged(number_rate=80) as judge:
        for _ in range(78):  # two came in
            await judge.whatsapp.send_message(PHONE, "Hello")
        with pytest.raises(errors.RateLimitHit):
            await judge.whatsapp.send_message(PHONE, "Hello")


async def test_a_bad_template_has_its_own_errors():
    """Too few parameters, another language, a line break and a paused template are told apart."""
    async with judged() as judge:
        body = templates.BodyText("Dear {{1}}, your bike is ready.", "Ann")
        category = templates.TemplateCategory.UTILITY
        wanted = templates.Template(name="ready", category=category, language=ENGLISH, components=[body])
        await judge.whatsapp.create_template(wanted)
        send, filled = judge.whatsapp.send_template, lambda value: templates.BodyText.params(*[value])
        with pytest.raises(errors.TemplateParamCountMismatch):
            await send(PHONE, "ready", ENGLISH, [])
        with pytest.raises(errors.TemplateNotExists):
            await send(PHONE, "ready", templates.TemplateLanguage.GERMAN, [filled("Maria")])
        with pytest.raises(errors.WhatsAppError) as broken:
            await send(PHONE, "ready", ENGLISH, [filled("Maria\nMiller")])
        assert broken.value.code == 132018
        judge.simulator.decide_template("ready", "en_US", "PAUSED")
        with pytest.raises(errors.TemplatePaused):
            await send(PHONE, "ready", ENGLISH, [filled("Maria")])


async def test_parameters_out_of_bounds_are_invalid():
    """A text that is too long, a fourth button and a body that is missing are refused."""
    async with judged() as judge:
        with pytest.raises(errors.InvalidParameter):
            await judge.whatsapp.send_message(PHONE, "x" * 4097)
        four = [types.Button(str(number), str(number)) for number in range(4)]
        with pytest.raises(errors.InvalidParameter):
            await judge.whatsapp.send_message(PHONE, "Pick", buttons=four)
        with pytest.raises(errors.MissingRequiredParameter):
            await judge.whatsapp.send_message(PHONE, " ")


async def test_tokens_and_permissions_fail_typed():
    """A wrong or expired token, and a permission that is missing, are authorisation errors."""
    async with judged(token="other") as judge:
        with pytest.raises(errors.ExpiredAccessToken):
            await judge.whatsapp.send_message(PHONE, "Hello")
    async with judged() as judge:
        judge.simulator.account.scopes = ("whatsapp_business_management",)
        with pytest.raises(errors.PermissionDenied):
            await judge.whatsapp.send_message(PHONE, "Hello")
        judge.simulator.account.scopes = ("whatsapp_business_messaging",)
        with pytest.raises(errors.APIPermission):
            await judge.whatsapp.get_business_phone_number()
        judge.simulator.account.token_expires_at = judge.clock.now()
        with pytest.raises(errors.ExpiredAccessToken) as expired:
            await judge.whatsapp.send_message(PHONE, "Hello")
        assert expired.value.subcode == 463


CODES = sorted(code for code, kind in errors._all_exceptions().items() if issubclass(kind, errors.SendMessageError))


async def test_every_error_of_sending_can_be_scripted():
    """Whatever code is asked for, pywa raises the class that it has for it."""
    async with judged() as judge:
        for code in CODES:
            judge.simulator.faults.set(FaultKind.REFUSED, next=1, code=code, customer=MARIA)
            with pytest.raises(errors._all_exceptions()[code]):
                await judge.whatsapp.send_message(PHONE, "Hello")
            await judge.whatsapp.send_message(HIDDEN, "Hello")
