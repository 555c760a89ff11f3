"""What cannot be done with a version of a document, and the sentences for it.

VersionError
├── VersionGoneError   there is no such version any more, or no file of it
├── NothingHeldError   no version waits to be published
└── NotFailedError     the newest version has not failed
"""


class VersionError(Exception):
    """`str(error)` is the sentence for the document's owner."""


class VersionGoneError(VersionError):
    """There is no such version any more, or no file of it."""


class NothingHeldError(VersionError):
    """No version waits to be published."""


class NotFailedError(VersionError):
    """The newest version has not failed."""


NOTHING_HELD = "No version of the document waits to be published."
NOT_FAILED = "The document has not failed: there is nothing to try again."
BROKE_OFF = "The upload broke off. Upload the file again."
DELETED = "The document was deleted while the file came. Upload it again."
NO_FILE = "The file itself is not there. Upload it again."
NO_PAGE = 'Nothing of the page could be read. Have its address looked at again: by "check" of its web source.'
NEVER_PUBLISHED = "The file was discarded before it was published."


def version_gone(number: int) -> str:
    """The sentence for a version that a document does not have."""
    return f"There is no version {number} of the document any more, or its file was not taken at the time."


def too_many_documents(most: int) -> str:
    """The sentence for a document beyond the quota."""
    return f"There are {most:,} documents already, which is as many as there may be. Delete some and upload it again."


def too_much_storage(most_bytes: int) -> str:
    """The sentence for a file beyond the quota of kept files."""
    megabytes = most_bytes // (1024 * 1024)
    return f"The kept files would take more than {megabytes:,} MB. Delete some documents and upload it again."
