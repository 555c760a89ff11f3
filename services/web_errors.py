"""What an owner is told about a web address that we cannot read.

WebError             `str(error)` is the sentence for its owner
├── WebRefusedError  we do not ask this address: it is malformed, private, or its site asks programs to stay away
├── WebGoneError     the site says that the page is not there (404, 410)
└── WebAwayError     this time it did not work; it may the next time
"""

NOT_PUBLIC = "The address leads into a private network. Only public addresses are read."
ROBOTS = "The site asks programs not to read this page (robots.txt)."
TOO_MANY_REDIRECTS = "The site sends us on again and again."
BROKEN_OFF = "The site did not answer, or its answer broke off."
UNKNOWN_NAME = "There is no site of this name, or its name could not be looked up."
BAD_CERTIFICATE = "The site's certificate is not valid for its name, or has expired."
NO_TLS = "A safe connection to the site could not be made."
NO_CONTENT = "The page is empty."
NO_SITEMAP = "The address holds no sitemap any more."
BROKEN_SITEMAP = "The sitemap is damaged: it is not the XML that it should be."
OUR_FAULT = "The page could not be taken in, through a fault of ours. It is tried again."
EMPTY_SITEMAP = "The sitemap names no pages of its own site."


class WebError(Exception):
    """`str(error)` is the sentence for the owner of the address, at most 300 characters.

    `status` is what the site answered with, if it did.
    """

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status


class WebRefusedError(WebError):
    """We do not ask this address."""


class WebGoneError(WebError):
    """The site says that the page is not there."""


class WebAwayError(WebError):
    """It did not work this time."""


def gone(status: int) -> str:
    """The sentence for a page that is not there."""
    return f"The site says that there is no such page ({status})."


def refused_by_site(status: int) -> str:
    """The sentence for an answer that is no page."""
    reasons = {401: "wants a log-in", 403: "does not let us in", 429: "says that we ask too often"}
    return f"The site {reasons.get(status, 'does not give us the page')} ({status})."


def too_slow(seconds: float) -> str:
    """The sentence for a site that takes too long."""
    return f"The site took longer than {seconds:.0f} seconds."


def too_large(megabytes: float) -> str:
    """The sentence for a page beyond the size limit."""
    return f"The page is larger than {megabytes:.0f} MB."


def too_many_pages(most: int) -> str:
    """The note at a sitemap that names more pages than we take."""
    return f"The sitemap names more than {most} pages: the first {most} are read."


def too_many_addresses(most: int, left_out: int) -> str:
    """The note at a sitemap some of whose pages go beyond what a business may have."""
    return f"A business may have {most} web addresses: {left_out} pages of the sitemap are left out."
