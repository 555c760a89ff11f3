"""The business's account at the simulated WhatsApp: token, permissions, number, subscribed apps."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from bot.simulator.settings import SimulatorSettings

MESSAGING = "whatsapp_business_messaging"
MANAGEMENT = "whatsapp_business_management"
NEVER = 0
TEXTS = frozenset(
    {"verified_name", "quality_rating", "status", "code_verification_status", "name_status", "throughput_level"}
)
LATEST_MS = 4_102_444_800_000  # the year 2100
MOST_ALLOWED = 5  # recipients of a test number (WHATSAPP.md 5.3)


@dataclass(slots=True)
class Account:
    """What an owner can get wrong or lose; change it and the Graph API answers accordingly.

    `token_expires_at` is epoch milliseconds, 0 for never: afterwards every call is refused with code 190.
    Without MESSAGING in `scopes`, sends and media are refused with code 10, without MANAGEMENT the calls about
    account, number and templates with code 200. `status` is CONNECTED for a number that is registered; with any
    other, sends are refused with 133010. `allowed` are the phones that a test number may write to (else 131030);
    None for a real number. `subscribed` are the app's settings for this account, None when it is not subscribed.
    """

    token_expires_at: int = NEVER
    scopes: tuple[str, ...] = (MANAGEMENT, MESSAGING)
    verified_name: str = "Business"
    quality_rating: str = "GREEN"
    status: str = "CONNECTED"
    code_verification_status: str = "VERIFIED"
    name_status: str = "APPROVED"
    throughput_level: str = "STANDARD"
    allowed: tuple[str, ...] | None = None
    subscribed: dict[str, str] | None = field(default_factory=dict)

    @classmethod
    def of(cls, settings: SimulatorSettings) -> "Account":
        """As it stands when the simulator starts."""
        return cls(verified_name=settings.business_name, subscribed={} if settings.subscribed else None)

    def expired(self, now: int) -> bool:
        """Whether the token has run out."""
        return self.token_expires_at != NEVER and now >= self.token_expires_at

    def listed(self) -> dict[str, Any]:
        """As JSON, also accepted by `change`."""
        return asdict(self)

    def change(self, wanted: Any) -> None:
        """Change some fields from JSON, or none. Raises ValueError with a sentence."""
        names = {one.name for one in fields(self)}
        if not isinstance(wanted, dict) or not names.issuperset(wanted):
            raise ValueError(f"an account has {', '.join(sorted(names))}")
        changes = {name: _read(name, value) for name, value in wanted.items()}
        for name, value in changes.items():
            setattr(self, name, value)


def _read(name: str, value: Any) -> Any:
    if name in TEXTS and isinstance(value, str):
        return value
    if name == "token_expires_at" and type(value) is int and 0 <= value <= LATEST_MS:
        return value
    if name in {"scopes", "allowed"} and isinstance(value, list) and all(isinstance(one, str) for one in value):
        chosen = tuple(one.removeprefix("+") for one in value)
        if name == "allowed" and len(set(chosen)) > MOST_ALLOWED:
            raise ValueError(f"a test number may write to at most {MOST_ALLOWED} phones")
        return chosen
    if (name in {"allowed", "subscribed"} and value is None) or (name == "subscribed" and value == {}):
        return value
    raise ValueError(f"{name} cannot be set to this")
