"""What happened, said aloud for whoever wants to know. Imports nothing of the studio.

Send inside the transaction of the happening, with `send_robust`, once everything it names is
written: a receiver writes its rows in that transaction, and its failure is logged, never raised.
`actor` is the signed-in person, or None for a guest (then `guest`) and for what happened by itself.
"""

from __future__ import annotations

from django.dispatch import Signal

# lifecycle.create: generations (one project's, in take order), actor (User).
shots_queued = Signal()
# lifecycle.move, move_many: moves (those that were made: studio.lifecycle.Move), actor (or None).
shots_moved = Signal()

# generation, comment (its mentions and parent set), actor (User or None), guest (Guest or None).
comment_made = Signal()
# generation, comment (its words changed), mentioned (the Users its old words did not mention), actor, guest.
comment_edited = Signal()
# generation, verdict ("approved", "needs_changes", or "" when taken back), actor (User or None),
# guest (Guest or None), comment (the one it came with, or None).
verdict_given = Signal()

# verdicts (clip's pk -> what this person says of it now, "" when taken back), actor (User), comments
# (clip's pk -> the Comment it came with). Many at once, in one project: nobody is told of each.
verdicts_changed = Signal()

# share, actor (User).
share_made = Signal()
# share, guest (Guest or None). Once a browser's session.
share_visited = Signal()

# export (its film is stored). Sent after the move, outside a transaction.
film_made = Signal()

# run (BulkRun), actor (User). Once it is done; or undone, then with undone=True.
bulk_done = Signal()

# run (ImportRun). Once, when it is over.
import_ended = Signal()

# request (SpendRequest), actor (User): it was asked for.
spend_asked = Signal()
# request (SpendRequest), actor (User): it was approved or refused.
spend_decided = Signal()
