"""The times that decide when Atlas is asked and when a user sees what, each with its reason."""

from datetime import timedelta

# Looking at Atlas.

SHARED_FOR = 5.0
"""Seconds: routine observations and resyncs share a LIST that began no longer ago."""

MEMORY = timedelta(minutes=10)
"""The oldest cached observation on which a write may rest."""

AT_REST = timedelta(minutes=1)
"""The oldest cached observation on which a resource may stay at rest: a start compares those of one scope with one LIST."""

SETTLED_PART = 0.75
"""The part of an interval for which the observation of a settled part counts: less than a whole one, by the jitter."""

OBSERVES_FOR = 30.0
"""Seconds after which an observation makes no further call: other work comes between, and the next reconcile goes on with it."""

UNFINISHED = 120.0
"""Seconds after which an observation that ran out of time begins anew: its first calls show nothing that is new any more."""

LIST_WITHIN = 30.0
"""Seconds for a LIST with all its pages, for which workers wait."""

READ_LAST = 300.0
"""Seconds for which the answers of ``Gateway.read`` are kept: longer than any caller shares them."""

DOUBTED_FOR = 60.0
"""Seconds for which a refusal without a code has to last before it counts as a missing role."""

ABSENT = 60.0
"""Seconds for which a proof of absence counts: as long as it takes to prove one."""

NEVER_LISTED = 60.0
"""Seconds after which a scope in which no LIST has succeeded is dropped: anybody can name projects that do not exist."""


# What is on its way, and what has failed.

POLL_FIRST = 5.0
"""Seconds between observations of a change that has just begun."""

POLL_LAST = 150.0
"""Seconds between observations of a change that takes long."""

PROVISIONING_TIMEOUT = timedelta(hours=2)
"""The default of ``spec.provisioningTimeout``."""

SPACED = 90.0
"""Seconds for which an accepted creation whose answer was lost may still become visible, and a little more."""

SECRET_REQUEUE = 30.0
"""Seconds after which a resource that waits for better credentials reads its Secret again; no call to Atlas."""

SECRET_AGAIN = 30.0
"""Seconds after which a Secret that exists and is not usable is read again."""

REFERENCE_AGAIN = 60.0
"""Seconds after which an unusable value is read again."""

HELD_AGAIN = 1.0
"""Seconds after which a call that was held back without a time is tried again."""

BRIEF = 10.0
"""Seconds: a wait for the rate limit that is shorter as a whole is not worth two status writes and an Event."""

BURST = 300.0
"""Seconds for which the rate limit may be that of a burst of calls, and not of this one alone."""

MIN_READY = timedelta(minutes=30)
"""A settled resource stays Ready for at least this long while observing it fails."""

BACKOFF_FIRST = 1.0
"""Seconds: the longest wait before the first retry."""

BACKOFF_LAST = 300.0
"""Seconds: the longest wait before any retry."""


# Writes, and what may still arrive of them.

UNKNOWN_FOR = 60.0
"""Seconds for which Atlas may still apply a write whose answer was lost."""

CALL = 15.0
"""Seconds that a call to Atlas may take."""

INTENT_FOR = timedelta(seconds=20)
"""The maximum age of an intent that is used; another process counts its seconds from when it was written."""

ARRIVES = INTENT_FOR.total_seconds() + CALL + UNKNOWN_FOR
"""Seconds after an intent for which its POST may still be applied."""

LOOKS = 15.0
"""Seconds after which one who waits looks again, at most: a LIST may show what the other one has created."""

LAST_LOOK = 1.0
"""Minimum seconds until the observation that follows a write of unknown outcome."""

PATCH_LAGS = timedelta(seconds=30)
"""For so long after a confirmed PATCH, Atlas may still show older values; they are no difference yet."""

LIST_LAGS = 30.0
"""Seconds until Atlas is asked again, at least, if a LIST still shows what a GET proves absent."""

KEPT_FOR = 30.0
"""Seconds after which a change of the metadata that did not last is made again."""
