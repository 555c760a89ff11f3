"""How long a text is by WhatsApp's limits."""


def units(text: str) -> int:
    """UTF-16 units. Meta does not say what it counts; this is the most that it may be."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
