"""Connects the signals of domains to the listeners in the domains above them."""

from alice.accounts import signals as accounts
from alice.activity import listeners as activity
from alice.activity import progress
from alice.library import signals as library


def connect() -> None:
    """Connect every listener. A second call changes nothing."""
    accounts.signed_in.connect(activity.log_login)
    accounts.signed_out.connect(activity.log_logout)
    library.book_unlocked.connect(activity.log_book_verified)
    library.book_recut.connect(progress.move)
