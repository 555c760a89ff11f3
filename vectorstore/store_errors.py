"""What can go wrong with the vector store, as its users see it.

VectorStoreError
├── VectorStoreUnavailableError   away, being started, locked, or damaged: search on without it, try again later
└── VectorStoreRequestError       the request itself was refused; trying again does not help
"""

from vectorstore.chroma_store import StoreFaultError


class VectorStoreError(Exception):
    """Something went wrong with the vector store."""


class VectorStoreUnavailableError(VectorStoreError):
    """The store did not do it now. `damaged` tells that its files are not to be trusted any more."""

    def __init__(self, message: str, *, damaged: bool = False) -> None:
        super().__init__(message)
        self.damaged = damaged


class VectorStoreRequestError(VectorStoreError):
    """The store refused the request, for example vectors of another dimension."""


class MissingCollectionError(VectorStoreError):
    """There is no such collection."""


def error_of(fault: StoreFaultError) -> VectorStoreError:
    """What a fault of the store means for who asked."""
    if fault.cause == "missing":
        return MissingCollectionError(str(fault))
    if fault.cause == "refused":
        return VectorStoreRequestError(str(fault))
    return VectorStoreUnavailableError(str(fault), damaged=fault.cause == "damaged")
