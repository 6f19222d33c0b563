"""What an error of another library is about, in a few words."""

from __future__ import annotations

import re
import ssl

from pyimginspect.sources.reference import without_userinfo

__all__ = ["innermost", "is_about_tls", "reason"]

_QUERY = re.compile(r"\?\S+")  # of a URL: it may hold a signature


def innermost(exc: BaseException) -> BaseException:
    """Return the error that all others of a chain are about."""
    while True:
        deeper = exc.__cause__ or exc.__context__
        # urllib3's urlopen() makes a ProtocolError("Connection aborted.", cause) that it does
        # not raise itself: of the cause there is the argument alone.
        if deeper is None and exc.args and isinstance(exc.args[-1], BaseException):
            deeper = exc.args[-1]
        if deeper is None:
            return exc
        exc = deeper


def is_about_tls(exc: BaseException) -> bool:
    """Whether the two ends could not agree on TLS; a connection that just ends is another thing."""
    inner = innermost(exc)
    return isinstance(inner, ssl.SSLError) and not isinstance(inner, ssl.SSLEOFError)


def reason(exc: BaseException) -> str:
    """Return what the innermost cause of an error says, without what a URL may carry."""
    inner = innermost(exc)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message
    # By the name of the class, since http.client and urllib3 have an IncompleteRead each.
    if isinstance(inner, ssl.SSLEOFError) or "IncompleteRead" in type(inner).__name__:
        return "the connection broke"
    if isinstance(inner, ssl.SSLError) and inner.reason:
        # OpenSSL's own names, such as WRONG_VERSION_NUMBER.
        return inner.reason.replace("_", " ").lower()
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    said = str(inner) or type(inner).__name__
    return without_userinfo(_QUERY.sub("?…", said))[:200]
