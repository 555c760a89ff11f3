"""Settings: read from the environment and .env, and everything that is wrong named at once, without values."""

import pytest

from bot.knowledge_index import store_options
from bot.settings import Settings, SettingsError, is_loopback, load_settings

GOOD = {
    "WHATSAPP_ACCESS_TOKEN": "EAAG-token",
    "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
    "WHATSAPP_VERIFY_TOKEN": "verify-me",
    "WHATSAPP_APP_SECRET": "first-secret, second-secret",
    "CONCIERGE_ADMIN_TOKEN": "admin-token",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch, tmp_path):
    """Only what the test sets, in a folder without .env."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def good(monkeypatch):
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_the_documented_defaults_hold(good):
    """What operators read in the settings table is what they get."""
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.whatsapp_api_url == "https://graph.facebook.com"
    assert settings.whatsapp_api_version == "v26.0"
    assert settings.concierge_embedder == "wordllama"
    assert str(settings.concierge_data_dir) == "data"
    assert settings.concierge_delivery_grace_seconds == 60
    assert settings.concierge_number_rate == 80
    assert not settings.concierge_metrics_public


def test_the_vectors_memory_is_the_stores(good, monkeypatch):
    """What is set is what its process is started with."""
    monkeypatch.setenv("CONCIERGE_VECTOR_MEMORY_MB", "7")
    assert store_options(load_settings()).child.memory_mb == 7


def test_several_app_secrets_are_taken_while_one_is_rotated(good):
    """A signature by either secret can be checked."""
    assert load_settings().app_secrets == ("first-secret", "second-secret")


def test_everything_that_is_missing_is_named_at_once():
    """Nobody starts five times to learn of five settings."""
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [name for name, _ in caught.value.problems] == [*GOOD]


def test_missing_and_wrong_are_named_together(monkeypatch):
    """A wrong port does not hide a missing token."""
    monkeypatch.setenv("PORT", "eighty")
    monkeypatch.setenv("CONCIERGE_MODEL_PRICES", "{")
    monkeypatch.setenv("CONCIERGE_BATCH_QUIET_SECONDS", "9")
    monkeypatch.setenv("CONCIERGE_EMBEDDER", "openai")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    named = {name for name, _ in caught.value.problems}
    wrong = {"PORT", "CONCIERGE_MODEL_PRICES", "CONCIERGE_BATCH_MAX_SECONDS", "CONCIERGE_EMBEDDER"}
    assert named == wrong | set(GOOD)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHATSAPP_ACCESS_TOKEN", "tok3n\nwith-a-line"),
        ("WHATSAPP_PHONE_NUMBER_ID", "+1 555 0100"),
        ("WHATSAPP_APP_SECRET", "s3cret-a,,s3cret-b"),
        ("WHATSAPP_API_URL", "http://graph.example.com"),
        ("WHATSAPP_API_URL", "ftp://graph.example.com"),
        ("WHATSAPP_API_URL", "https://user:passw0rd@graph.example.com"),
        ("WHATSAPP_API_URL", "https://graph..example.com"),
        ("WHATSAPP_API_VERSION", "newest"),
        ("CONCIERGE_NUMBER_RATE", "nan"),
        ("CONCIERGE_NUMBER_RATE", "inf"),
        ("CONCIERGE_API_RATE", "-8"),
        ("CONCIERGE_MAX_TURNS", "0"),
        ("CONCIERGE_BATCH_MAX_SECONDS", "0.25"),
        ("CONCIERGE_EMBEDDER", "word2vec"),
        ("CONCIERGE_LOG_LEVEL", "loudest"),
        ("CONCIERGE_METRICS_PUBLIC", "perhaps"),
        ("CONCIERGE_MODEL_PRICES", '{"model": [1, "x7"]}'),
        ("HOST", "not a host"),
        ("PORT", "65536"),
    ],
)
def test_a_wrong_value_is_refused_without_being_shown(good, monkeypatch, name, value):
    """The text names the variable; its value may be a secret and stays out."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [problem for problem, _ in caught.value.problems] == [name]
    assert value not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/", "http://localhost:9000", "http://[::1]:9000"])
def test_plain_http_to_meta_is_for_loopback_only(good, monkeypatch, url):
    """A simulator on this machine may be spoken to without TLS."""
    monkeypatch.setenv("WHATSAPP_API_URL", url)
    assert load_settings().whatsapp_api_url == url.rstrip("/")


def test_settings_come_from_a_dot_env_file_too(good, tmp_path, monkeypatch):
    """.env fills what the environment leaves open, and the environment wins."""
    (tmp_path / ".env").write_text('PORT=9001\nHOST=0.0.0.0\nOPENAI_API_KEY=\nCONCIERGE_MODEL_PRICES={"m":[1,2]}\n')
    monkeypatch.setenv("PORT", "9002")
    settings = load_settings()
    assert (settings.host, settings.port) == ("0.0.0.0", 9002)  # noqa: S104 - a setting, not a socket
    assert settings.concierge_model_prices == {"m": (1.0, 2.0)}


def test_an_unreadable_dot_env_is_named(good, tmp_path):
    """A .env in a wrong encoding is a sentence, not a traceback."""
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env"):
        load_settings()


def test_commands_that_serve_nobody_need_no_secrets():
    """`concierge migrate` runs where no token is set."""
    assert load_settings(serving=False).missing_to_serve


def test_secrets_do_not_print(good):
    """A settings object in a log line or a traceback shows stars."""
    settings = load_settings()
    shown = repr(settings) + str(settings)
    assert not [secret for secret in settings.secret_values if secret in shown]
    assert set(settings.secret_values) >= {"EAAG-token", "first-secret", "second-secret"}


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.9.9.9", True), ("[::1]", True), ("127.0.0.1.example.com", False), ("10.0.0.1", False)],
)
def test_loopback_is_only_this_machine(host, expected):
    """A name that merely looks like loopback is none."""
    assert is_loopback(host) is expected


def test_admins_are_named_as_people_write_numbers(good, monkeypatch):
    """Plus signs, spaces, dashes and brackets do not matter; a BSUID is taken as it is."""
    assert load_settings().concierge_admin_contacts == frozenset()
    monkeypatch.setenv("CONCIERGE_ADMIN_CONTACTS", "+49 151 1234-567, 1 (202) 555.0100,US.ENT.11815799212886844830")
    contacts = {"491511234567", "12025550100", "US.ENT.11815799212886844830"}
    assert load_settings().concierge_admin_contacts == contacts
    monkeypatch.setenv("CONCIERGE_ADMIN_CONTACTS", "bakery: +49 151 1234-567,bakery:DE.Ann1")
    contacts = {"bakery:491511234567", "bakery:DE.Ann1"}
    assert load_settings().concierge_admin_contacts == contacts


@pytest.mark.parametrize("value", ["+49 151 1234567,", ", +49 151 1234567", "+49 151 1234567, ,"])
def test_a_comma_too_many_among_the_admins_stops_no_start(good, monkeypatch, value):
    """A list that ends with a comma names who stands before it."""
    monkeypatch.setenv("CONCIERGE_ADMIN_CONTACTS", value)
    assert load_settings().concierge_admin_contacts == {"491511234567"}


@pytest.mark.parametrize(
    "value",
    ["0151 1234567", "+49", "+49 151 1234567,x", "somebody", "us.123", "49151123456789012", "bakery:", "bakery:x"],
)
def test_an_admin_that_nobody_can_be_is_refused(good, monkeypatch, value):
    """A number without its country code would never match, and nobody would learn why."""
    monkeypatch.setenv("CONCIERGE_ADMIN_CONTACTS", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "CONCIERGE_ADMIN_CONTACTS: must hold phone numbers with their country codes" in str(caught.value)


def test_a_server_that_wants_no_key_is_enough(good, monkeypatch):
    """Ollama and vLLM are reached by their address alone; without key and address there is no model."""
    assert not load_settings().has_model
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")
    monkeypatch.setenv("CONCIERGE_EMBEDDER", "openai")
    assert load_settings().has_model


def test_a_stand_in_needs_somebody_to_stand_in_for(good, monkeypatch):
    """A fallback model without a model is a mistake that is named."""
    monkeypatch.setenv("CONCIERGE_FALLBACK_MODEL", "other")
    with pytest.raises(SettingsError, match="CONCIERGE_FALLBACK_MODEL: stands in for a model"):
        load_settings()


def test_a_budget_needs_the_prices_of_the_models_in_use(good, monkeypatch):
    """A budget that cannot be kept, since a price is unknown, is refused at the start."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("CONCIERGE_CHAT_MODEL", "big")
    monkeypatch.setenv("CONCIERGE_FALLBACK_MODEL", "small")
    monkeypatch.setenv("CONCIERGE_DAILY_BUDGET_USD", "5")
    with pytest.raises(SettingsError, match="needs the price of CONCIERGE_CHAT_MODEL and of CONCIERGE_FALLBACK_MODEL"):
        load_settings()
    monkeypatch.setenv("CONCIERGE_MODEL_PRICES", '{"big": [1, 2], "small": [0, 0]}')
    assert load_settings().concierge_daily_budget_usd == 5
