"""How a simulated WhatsApp behaves: whom it serves, how fast, how patient."""

from dataclasses import dataclass, field

WEEK_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Rates and limits are WHATSAPP.md 1 to 6; the defaults are quick, for tests.

    `status_delays_seconds` are the waits before sent, delivered and read; zeros send the three in one POST.
    `country_code` is what a `to` without "+" gets in front (WHATSAPP.md 4.1).
    `webhook_batch` is how many waiting updates may share a POST; `webhook_connections` how many POSTs run at once
    (what concerns one customer stays in order, unless a fault or a retry mixes it).
    `subscribed`: whether the app gets the account's webhooks from the start (`POST /{account}/subscribed_apps`).
    `templates_reviewed`: whether a new template is approved at once; otherwise it waits for `decide_template`.
    `number_rate` is how many messages a second, in and out, the number takes (80 for a new one, WHATSAPP.md 6); None
    for any number.
    `keep_*` bound the memory: messages a customer, accepted messages in all, customers, files.
    `server_url` and `admin_token` let the page add files to the knowledge; without them it does not offer that.
    """

    app_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    phone_number_id: str
    webhook_url: str
    business_name: str = "Business"
    display_phone_number: str = "15550783881"
    account_id: str = "102290129340398"
    app_id: str = "670843887433847"
    app_name: str = "Concierge"
    subscribed: bool = True
    templates_reviewed: bool = True
    number_rate: float | None = None
    country_code: str = "1"
    host: str = "127.0.0.1"
    port: int = 0
    status_delays_seconds: tuple[float, float, float] = (0.0, 0.0, 0.0)
    check_window: bool = True
    check_pair_rate: bool = False
    webhook_batch: int = 50
    webhook_connections: int = 8
    webhook_timeout_seconds: float = 10.0
    retry_first_seconds: float = 0.25
    retry_max_seconds: float = 4.0
    retry_for_seconds: float = WEEK_SECONDS
    keep_messages: int = 500
    keep_sent: int = 50_000
    keep_customers: int = 20_000
    keep_media_bytes: int = 256 * 1024 * 1024
    server_url: str | None = None
    admin_token: str | None = field(default=None, repr=False)
    suggestions: tuple[str, ...] = ()
