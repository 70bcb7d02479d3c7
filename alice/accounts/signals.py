"""What accounts tell the domains above them.

Each is sent inside the `appending()` transaction that does it, so that what a listener writes is kept or lost
together with it:

    signed_in      user_id, session_id, role
    signed_out     user_id, session_id (by the user's own wish; a session that runs out says nothing)
    book_unlocked  user_id, session_id, book_id
"""

from blinker import Namespace

_accounts = Namespace()

signed_in = _accounts.signal("signed-in")
signed_out = _accounts.signal("signed-out")
book_unlocked = _accounts.signal("book-unlocked")
