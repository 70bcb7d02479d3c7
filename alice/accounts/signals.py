"""Signals of accounts, for the domains above it.

Each is sent inside the `appending()` transaction of the action, so that a listener's writes are committed or
rolled back together with it. `db` is the open log:

    signed_in   db, user_id, session_id, role
    signed_out  db, user_id, session_id (the user signed out; an expired session sends nothing)
"""

from blinker import Namespace

_accounts = Namespace()

signed_in = _accounts.signal("signed-in")
signed_out = _accounts.signal("signed-out")
