"""The signals that accounts send, for the domains above it.

Each is sent inside the `appending()` transaction of the action, so that a listener's writes are committed or
rolled back together with it. `db` is the open log.
"""

from blinker import Signal

# Sent with db, user_id, session_id and role.
signed_in = Signal("a user signed in")

# Sent with db, user_id and session_id; not for a session that expires.
signed_out = Signal("a user signed out")
