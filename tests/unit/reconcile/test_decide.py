"""The decisions about an endpoint: one table, each row a sentence, for both clouds."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import update_of
from atlas_endpoints.kinds.serverless_private_endpoint.decide import decide
from atlas_endpoints.reconcile.facts import Correction, Refusal
from atlas_endpoints.reconcile.kind import Decision, State, Write
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import HISTORY_LIMIT, Cause
from atlas_endpoints.reconcile.summarize import held, planned
from unit.reconcile.situations import (
    ADDRESS,
    ENTRY,
    ID,
    NOW,
    PROVIDERS,
    REFUSED,
    Provider,
    Says,
    Sends,
    Situation,
    Values,
    answered,
    edited,
    facts_of,
    minutes,
    seconds,
    settled,
)

ONE_A, ONE_B = Values("one", "a"), Values("one", "b")
TWO_A, TWO_B = Values("two", "a"), Values("two", "b")
A, B, ONE, TWO = Values(comment="a"), Values(comment="b"), Values("one"), Values("two")
FORCE = "atlas-endpoints.dev/force-sync"
A_DAY = timedelta(days=1)

Table = Mapping[str, tuple[Situation, Sends | Says]]

AVAILABLE: Table = {
    "as specified: done": (settled(ONE_A), Says(Reason.AVAILABLE)),
    "nothing is managed: done, whatever Atlas shows": (Situation(shows=ONE_A), Says(Reason.AVAILABLE)),
    "as specified at first contact: done": (Situation(wants=ONE_A, shows=ONE_A), Says(Reason.AVAILABLE)),
    "a field that is not managed differs: done": (settled(ONE, shows=ONE_B), Says(Reason.AVAILABLE)),
    "an empty comment is wanted and none is shown: done": (
        settled(Values("one", ""), shows=ONE),
        Says(Reason.AVAILABLE),
    ),
    "a difference at first contact is sent": (Situation(wants=ONE_A, shows=ONE_B), Sends(A, Cause.FIRST_CONTACT)),
    "a difference at first contact is sent though drift is only reported": (
        Situation(wants=ONE_A, shows=ONE_B, report=True),
        Sends(A, Cause.FIRST_CONTACT),
    ),
    "an edit of the comment is sent": (edited(ONE_A, wants=ONE_B), Sends(B, Cause.EDIT)),
    "an edit is sent though drift is only reported": (edited(ONE_A, wants=ONE_B, report=True), Sends(B, Cause.EDIT)),
    "a comment that the edit empties is cleared": (
        edited(ONE_A, wants=Values("one", "")),
        Sends(Values(comment=""), Cause.EDIT),
    ),
    "an edit of the connection is sent": (edited(ONE_A, wants=TWO_A), Sends(TWO, Cause.EDIT)),
    "an edit of everything is sent at once": (edited(ONE_A, wants=TWO_B), Sends(TWO_B, Cause.EDIT)),
    "a value that becomes managed is an edit": (
        edited(ONE, wants=ONE_B, shows=ONE_A, report=True),
        Sends(B, Cause.EDIT),
    ),
    "an edit that Atlas shows already: done": (edited(ONE_A, wants=ONE_B, shows=ONE_B), Says(Reason.AVAILABLE)),
    "drift is corrected": (settled(ONE_A, shows=ONE_B), Sends(A, Cause.DRIFT)),
    "drift to nothing is corrected": (settled(ONE_A, shows=ONE), Sends(A, Cause.DRIFT)),
    "drift is only reported": (
        settled(ONE_A, shows=ONE_B, report=True),
        Says(
            Reason.DRIFTED,
            words=("comment is 'b', not 'a'", "driftPolicy is Report", "set spec.driftPolicy to Correct"),
            differs=("comment",),
        ),
    ),
    "drift to nothing is reported as empty": (
        settled(ONE_A, shows=ONE, report=True),
        Says(Reason.DRIFTED, words=("comment is empty, not 'a'",), differs=("comment",)),
    ),
    "drift and an edit are sent together": (edited(ONE_A, wants=TWO_A, shows=ONE_B), Sends(TWO_A, Cause.EDIT)),
    "of drift and an edit, only the edit is sent where drift is only reported": (
        edited(ONE_A, wants=TWO_A, shows=ONE_B, report=True),
        Sends(TWO, Cause.EDIT),
    ),
    "drift that may come from a spec that was sent and not recorded is an edit": (
        settled(ONE_A, shows=ONE_B, report=True, generation=5),
        Sends(A, Cause.EDIT),
    ),
    "drift is drift though the spec changed in something else": (
        settled(ONE_A, shows=ONE_B, report=True, generation=4),
        Says(Reason.DRIFTED, differs=("comment",)),
    ),
    "drift while a write may still be applied is an edit": (
        settled(ONE_A, shows=ONE_B, report=True, uncertain=True),
        Sends(A, Cause.EDIT),
    ),
    "a difference after a write whose answer was lost is an edit, since nothing counts as confirmed": (
        Situation(wants=ONE_A, shows=ONE_B, report=True, patched=((90, "comment"),)),
        Sends(A, Cause.EDIT),
    ),
    "force, and all is as specified: done": (settled(ONE_A, forced=True), Says(Reason.AVAILABLE)),
    "force does not make drift an edit": (
        settled(ONE_A, shows=ONE_B, report=True, forced=True),
        Says(Reason.DRIFTED, differs=("comment",)),
    ),
    "force changes nothing about an edit": (edited(ONE_A, wants=ONE_B, forced=True), Sends(B, Cause.EDIT)),
}

SETTLING: Table = {
    "older values are no difference right after a PATCH": (
        settled(ONE_A, shows=ONE_B, patched=((10, "comment"),)),
        Says(Reason.AVAILABLE, RequeueAfter(20)),
    ),
    "older values are no drift to report right after a PATCH": (
        settled(ONE_A, shows=ONE_B, patched=((10, "comment"),), report=True),
        Says(Reason.AVAILABLE, RequeueAfter(20)),
    ),
    "older values are no difference though the spec has changed in something else since": (
        settled(ONE_A, shows=ONE_B, patched=((10, "comment"),), report=True, generation=4),
        Says(Reason.AVAILABLE, RequeueAfter(20)),
    ),
    "force sends at once what may be nothing but Atlas lagging behind": (
        settled(ONE_A, shows=ONE_B, patched=((10, "comment"),), forced=True),
        Sends(A, Cause.FORCED),
    ),
    "older values are no difference until the last moment": (
        settled(ONE_A, shows=ONE_B, patched=((29, "comment"),)),
        Says(Reason.AVAILABLE, RequeueAfter(1)),
    ),
    "older values are drift when half a minute has passed": (
        settled(ONE_A, shows=ONE_B, patched=((30, "comment"),)),
        Sends(A, Cause.DRIFT),
    ),
    "older values are drift to report when half a minute has passed": (
        settled(ONE_A, shows=ONE_B, patched=((30, "comment"),), report=True),
        Says(Reason.DRIFTED, differs=("comment",)),
    ),
    "drift of what the last PATCH did not carry is drift": (
        settled(TWO_A, shows=TWO_B, patched=((10, "connection"),)),
        Sends(A, Cause.DRIFT),
    ),
    "an edit right after a PATCH is sent": (
        edited(ONE_A, wants=ONE_B, patched=((1, "comment"),)),
        Sends(B, Cause.EDIT),
    ),
    "an edit right after a PATCH of something else is sent": (
        edited(ONE_A, wants=TWO_A, shows=ONE_B, patched=((1, "comment"),)),
        Sends(TWO, Cause.EDIT),
    ),
    "an older connection is not called available": (
        settled(TWO_A, shows=ONE_A, patched=((10, "connection"),)),
        Says(Reason.INITIATING, RequeueAfter(15)),
    ),
    "older values are not called available while part of the spec was never confirmed": (
        Situation(wants=ONE_A, shows=ONE_B, confirmed=A, patched=((10, "comment"),)),
        Says(Reason.PENDING, RequeueAfter(5), words=("comment",)),
    ),
    "a failure with the older connection is not a failure of the new one": (
        settled(TWO_A, status="FAILED", shows=ONE_A, patched=((10, "connection"),)),
        Says(Reason.INITIATING, RequeueAfter(15)),
    ),
    "a failure with the new connection is one": (
        settled(TWO_A, status="FAILED", patched=((10, "connection"),)),
        Says(Reason.ENDPOINT_FAILED),
    ),
    "an answer without the change may be Atlas being slow": (
        settled(ONE_A, wants=ONE_B, patched=((10, "comment"),)),
        Says(Reason.PENDING, RequeueAfter(5), words=("comment", "does not show it yet"), differs=("comment",)),
    ),
    "force repeats a change that Atlas has not shown yet": (
        settled(ONE_A, wants=ONE_B, patched=((10, "comment"),), forced=True),
        Sends(B, Cause.FORCED),
    ),
}

STORED_OTHERWISE: Table = {
    "a change that was confirmed and stored otherwise is not repeated": (
        settled(ONE_A, wants=ONE_B, patched=((30, "comment"),)),
        Says(
            Reason.UPDATE_REJECTED,
            words=("stored another value", "comment is 'a', not 'b'", FORCE),
            differs=("comment",),
        ),
    ),
    "what was told as stored otherwise is not taken back for half a minute": (
        settled(ONE_A, wants=ONE_B, patched=((10, "comment"),), said=Reason.UPDATE_REJECTED),
        Says(Reason.UPDATE_REJECTED, words=("stored another value",), differs=("comment",)),
    ),
    "it heals when Atlas shows the change after all": (
        settled(ONE_A, wants=ONE_B, shows=ONE_B, patched=((90, "comment"),), said=Reason.UPDATE_REJECTED),
        Says(Reason.AVAILABLE),
    ),
    "it is sent once more for a new generation": (
        settled(ONE_A, wants=ONE_B, patched=((90, "comment"),), generation=4),
        Sends(B, Cause.EDIT),
    ),
    "it is sent once more by force": (
        settled(ONE_A, wants=ONE_B, patched=((90, "comment"),), forced=True),
        Sends(B, Cause.FORCED),
    ),
    "it is sent once more while a write may still be applied": (
        settled(ONE_A, wants=ONE_B, patched=((90, "comment"),), uncertain=True),
        Sends(B, Cause.EDIT),
    ),
    "other edits go without it": (
        Situation(wants=TWO_B, shows=ONE_A, confirmed=A, patched=((90, "comment"),)),
        Sends(TWO, Cause.EDIT),
    ),
}

REFUSALS: Table = {
    "what was refused is tried again when the endpoint is looked at": (
        settled(ONE_A, wants=TWO_A, refused=TWO, confirmed_for=2),
        Sends(TWO, Cause.EDIT),
    ),
    "an edit goes without what was refused": (
        settled(ONE_A, wants=TWO_B, refused=TWO, confirmed_for=2, generation=4),
        Sends(B, Cause.EDIT),
    ),
    "an edit that clears the comment goes without what was refused": (
        settled(ONE_A, wants=Values("two", ""), refused=TWO, confirmed_for=2, generation=4),
        Sends(Values(comment=""), Cause.EDIT),
    ),
    "a correction of drift goes without what was refused": (
        settled(ONE_A, wants=TWO_A, shows=ONE_B, refused=TWO, confirmed_for=2),
        Sends(A, Cause.DRIFT),
    ),
    "another value than the refused one is an edit like any other": (
        settled(ONE_A, wants=TWO_B, refused=A, confirmed_for=2, generation=4),
        Sends(TWO_B, Cause.EDIT),
    ),
    "a refused correction is not tried again once drift is only reported": (
        settled(ONE_A, shows=ONE_B, refused=A, confirmed_for=2, report=True, generation=4),
        Says(Reason.DRIFTED, differs=("comment",)),
    ),
}

CONTESTED: Table = {
    "a field that was corrected thrice in a row is left alone": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(20), minutes(30))),
        Says(Reason.DRIFTED, words=("once an hour", "comment is 'b', not 'a'", FORCE), differs=("comment",)),
    ),
    "rounds that are late by their jitter count as in a row": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(25), minutes(45))),
        Says(Reason.DRIFTED, differs=("comment",)),
    ),
    "two corrections are no fight": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(20))),
        Sends(A, Cause.DRIFT),
    ),
    "three corrections over a long time are no fight": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(30), minutes(50))),
        Sends(A, Cause.DRIFT),
    ),
    "after an hour it is corrected once": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(60), minutes(70), minutes(80))),
        Sends(A, Cause.DRIFT),
    ),
    "two corrections an hour apart are no fight": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(75))),
        Sends(A, Cause.DRIFT),
    ),
    "two corrections an hour apart after a long peace are no fight": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(75), minutes(300))),
        Sends(A, Cause.DRIFT),
    ),
    "an hour to the minute is an hour": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(70), minutes(80), minutes(90))),
        Says(Reason.DRIFTED, differs=("comment",)),
    ),
    "hourly corrections are a fight though its beginning is forgotten": (
        settled(ONE_A, shows=ONE_B, corrected=tuple(minutes(10 + 65 * number) for number in range(5))),
        Says(Reason.DRIFTED, differs=("comment",)),
    ),
    "drift of another field is corrected": (
        settled(ONE_A, shows=TWO_A, corrected=(minutes(10), minutes(20), minutes(30))),
        Sends(ONE, Cause.DRIFT),
    ),
    "and then left alone for another hour": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(75), minutes(85), minutes(95))),
        Says(Reason.DRIFTED, words=("once an hour",), differs=("comment",)),
    ),
    "after a long peace a correction is no fight": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(200), minutes(210), minutes(220))),
        Sends(A, Cause.DRIFT),
    ),
    "an edit of the field is sent though it is fought over": (
        edited(ONE_A, wants=ONE_B, shows=ONE, corrected=(minutes(10), minutes(20), minutes(30))),
        Sends(B, Cause.EDIT),
    ),
    "an edit of another field goes without it": (
        edited(ONE_A, wants=TWO_A, shows=ONE_B, corrected=(minutes(10), minutes(20), minutes(30))),
        Sends(TWO, Cause.EDIT),
    ),
    "it is corrected at once by force": (
        settled(ONE_A, shows=ONE_B, corrected=(minutes(10), minutes(20), minutes(30)), forced=True),
        Sends(A, Cause.FORCED),
    ),
    "with seldom looks an hour is over before the next one": (
        settled(
            ONE_A,
            shows=ONE_B,
            interval=timedelta(hours=6),
            corrected=(timedelta(hours=6), timedelta(hours=12), timedelta(hours=18)),
        ),
        Sends(A, Cause.DRIFT),
    ),
}

RESERVED: Table = {
    "reserved without the cloud's id: wait for the user": (
        settled(A, status="RESERVED", since=A_DAY),
        Says(Reason.WAITING_FOR_CLOUD_ENDPOINT, words=("spec.cloudProviderEndpointId",)),
    ),
    "reserved without the cloud's id, and Atlas shows one of its own: wait for the user": (
        settled(A, status="RESERVED", shows=ONE_A),
        Says(Reason.WAITING_FOR_CLOUD_ENDPOINT),
    ),
    "reserved without a service: look again soon": (
        Situation(status="RESERVED", service=False, since=minutes(1)),
        Says(Reason.WAITING_FOR_CLOUD_ENDPOINT, RequeueAfter(15), words=("not named the service",), without=("None",)),
    ),
    "reserved without a service for long: look again seldom": (
        Situation(status="RESERVED", service=False, since=A_DAY),
        Says(Reason.WAITING_FOR_CLOUD_ENDPOINT, RequeueAfter(60)),
    ),
    "reserved without the cloud's id: the comment is sent": (
        Situation(status="RESERVED", wants=A, shows=B),
        Sends(A, Cause.FIRST_CONTACT),
    ),
    "reserved without the cloud's id: drift of the comment is reported": (
        settled(A, status="RESERVED", shows=B, report=True),
        Says(Reason.DRIFTED, differs=("comment",)),
    ),
    "reserved without the cloud's id: an older comment right after a PATCH is no difference": (
        settled(A, status="RESERVED", shows=B, patched=((10, "comment"),)),
        Says(Reason.WAITING_FOR_CLOUD_ENDPOINT, RequeueAfter(20)),
    ),
    "reserved with the cloud's id: connect, with the comment": (
        Situation(status="RESERVED", wants=ONE_A),
        Sends(ONE_A, Cause.FIRST_CONTACT),
    ),
    "reserved with the cloud's id: connect, without a comment that is as desired": (
        edited(A, status="RESERVED", wants=ONE_A),
        Sends(ONE, Cause.EDIT),
    ),
    "reserved with the cloud's id, though drift is only reported: connect": (
        edited(A, status="RESERVED", wants=ONE_A, report=True),
        Sends(ONE, Cause.EDIT),
    ),
    "reserved with the cloud's id, which Atlas shows: wait": (
        settled(ONE_A, status="RESERVED"),
        Says(Reason.INITIATING, RequeueAfter(15)),
    ),
    "reserved with the cloud's id, which Atlas shows: the comment is sent": (
        edited(ONE_A, status="RESERVED", wants=ONE_B),
        Sends(B, Cause.EDIT),
    ),
    "an old reservation that was connected a moment ago has not taken too long": (
        settled(ONE_A, status="RESERVED", since=A_DAY, patched=((8, "connection"),)),
        Says(Reason.INITIATING, RequeueAfter(5)),
    ),
    "a reservation that was connected long ago has": (
        settled(ONE_A, status="RESERVED", since=A_DAY, patched=((7201, "connection"),)),
        Says(Reason.PROVISIONING_TIMEOUT),
    ),
    "reserved and connected a moment ago, not shown: wait": (
        settled(ONE_A, status="RESERVED", shows=A, patched=((8, "connection"),)),
        Says(Reason.INITIATING, RequeueAfter(5)),
    ),
    "reserved and connected a while ago, not shown: connect again": (
        settled(ONE_A, status="RESERVED", shows=A, patched=((30, "connection"),)),
        Sends(ONE, Cause.DRIFT),
    ),
    "a reservation that has lost its connection is reported": (
        settled(ONE_A, status="RESERVED", shows=A, report=True),
        Says(Reason.DRIFTED, differs=("connection",)),
    ),
    "reserved, and the answer did not show the connection: wait": (
        settled(TWO_A, status="RESERVED", wants=ONE_A, patched=((8, "connection"),)),
        Says(Reason.INITIATING, RequeueAfter(5), differs=("connection",)),
    ),
    "reserved, and Atlas keeps another connection: say so": (
        settled(TWO_A, status="RESERVED", wants=ONE_A, patched=((90, "connection"),)),
        Says(Reason.UPDATE_REJECTED, differs=("connection",)),
    ),
    "reserved, and the connection was refused: it is tried again": (
        settled(A, status="RESERVED", wants=ONE_A, refused=ONE, confirmed_for=2),
        Sends(ONE, Cause.EDIT),
    ),
    "reserved, and the connection was refused: the comment goes without it": (
        settled(A, status="RESERVED", wants=ONE_B, refused=ONE, confirmed_for=2, generation=4),
        Sends(B, Cause.EDIT),
    ),
}

INITIATING: Table = {
    "connecting as specified: wait": (settled(ONE_A, status="INITIATING"), Says(Reason.INITIATING, RequeueAfter(15))),
    "connecting since a moment: look often": (
        settled(ONE_A, status="INITIATING", since=seconds(3)),
        Says(Reason.INITIATING, RequeueAfter(5)),
    ),
    "connecting for long: look seldom": (
        settled(ONE_A, status="INITIATING", since=minutes(100)),
        Says(Reason.INITIATING, RequeueAfter(60)),
    ),
    "connecting for almost too long: look when it is": (
        settled(ONE_A, status="INITIATING", since=minutes(120) - seconds(7)),
        Says(Reason.INITIATING, RequeueAfter(7)),
    ),
    "connecting for too long: call a person, look on with the rounds": (
        settled(ONE_A, status="INITIATING", since=minutes(120)),
        Says(Reason.PROVISIONING_TIMEOUT, words=("connecting", "spec.provisioningTimeout", "support")),
    ),
    "a clock that was set back is no reason to look often": (
        settled(ONE_A, status="INITIATING", since=minutes(-60)),
        Says(Reason.INITIATING, RequeueAfter(5)),
    ),
    "connecting: the comment is sent": (edited(ONE_A, status="INITIATING", wants=ONE_B), Sends(B, Cause.EDIT)),
    "connecting: drift of the comment is corrected": (
        settled(ONE_A, status="INITIATING", shows=ONE_B),
        Sends(A, Cause.DRIFT),
    ),
    "connecting: drift of the comment that is only reported does not stop the wait": (
        settled(ONE_A, status="INITIATING", shows=ONE_B, report=True),
        Says(Reason.INITIATING, RequeueAfter(15), without=("when the endpoint is connected",), differs=("comment",)),
    ),
    "connecting something else: the change waits and is named": (
        edited(ONE_A, status="INITIATING", wants=TWO_A),
        Says(
            Reason.INITIATING,
            RequeueAfter(15),
            words=("cloudProviderEndpointId to", "when the endpoint is connected"),
            differs=("connection",),
        ),
    ),
    "connecting something else, though drift is only reported: the change waits and is named": (
        edited(ONE_A, status="INITIATING", wants=TWO_A, report=True),
        Says(Reason.INITIATING, RequeueAfter(15), words=("when the endpoint is connected",), differs=("connection",)),
    ),
    "connecting what somebody else wants: the correction waits and is named": (
        settled(TWO_A, status="INITIATING", shows=ONE_A),
        Says(Reason.INITIATING, RequeueAfter(15), words=("when the endpoint is connected",), differs=("connection",)),
    ),
    "connecting something else: the comment goes ahead": (
        edited(ONE_A, status="INITIATING", wants=TWO_B),
        Sends(B, Cause.EDIT),
    ),
    "connecting what somebody else wants, and drift is only reported: no change waits": (
        settled(TWO_A, status="INITIATING", shows=ONE_A, report=True),
        Says(Reason.INITIATING, RequeueAfter(15), without=("when the endpoint is connected",), differs=("connection",)),
    ),
    "connecting, and Atlas keeps another comment: it may still come": (
        settled(ONE_A, status="INITIATING", wants=ONE_B, patched=((90, "comment"),)),
        Says(Reason.INITIATING, RequeueAfter(15), differs=("comment",)),
    ),
}

OTHER: Table = {
    "being reserved: wait, whatever differs": (
        Situation(status="RESERVATION_REQUESTED", wants=ONE_A, service=False),
        Says(Reason.RESERVATION_REQUESTED, RequeueAfter(15), differs=("connection", "comment")),
    ),
    "being reserved for too long: call a person": (
        Situation(status="RESERVATION_REQUESTED", service=False, since=A_DAY),
        Says(Reason.PROVISIONING_TIMEOUT),
    ),
    "being deleted: wait, whatever differs": (
        settled(ONE_A, status="DELETING", shows=ONE_B),
        Says(Reason.DELETING, RequeueAfter(15), differs=("comment",)),
    ),
    "being deleted: force does not send": (
        settled(ONE_A, status="DELETING", shows=ONE_B, forced=True),
        Says(Reason.DELETING, RequeueAfter(15), differs=("comment",)),
    ),
    "being deleted for too long: call a person": (
        settled(ONE_A, status="DELETING", since=A_DAY),
        Says(Reason.PROVISIONING_TIMEOUT),
    ),
    "a status that nobody knows: wait, with Atlas's word": (
        settled(ONE_A, status="REHEATING", shows=ONE_B),
        Says(Reason.PENDING, RequeueAfter(15), words=("'REHEATING'",), differs=("comment",)),
    ),
    "a status that nobody knows, for too long: call a person": (
        settled(ONE_A, status="REHEATING", since=A_DAY),
        Says(Reason.PROVISIONING_TIMEOUT, words=("'REHEATING'",)),
    ),
    "a status in other letters is one that nobody knows": (
        settled(ONE_A, status="available"),
        Says(Reason.PENDING, RequeueAfter(15)),
    ),
    "no status: wait": (
        settled(ONE_A, status=None),
        Says(Reason.PENDING, RequeueAfter(15), words=("no status",), without=("None",)),
    ),
    "of another cloud than the spec names: nothing of it is compared, and the way out is named": (
        Situation(status="RESERVED", wants=ONE_A, elsewhere=True),
        Says(Reason.INVALID_SPEC, words=("in Atlas is GCP", "delete this resource", "again with providerName GCP")),
    ),
    "of another cloud than the spec names: force does not send": (
        settled(ONE_A, status="FAILED", shows=ONE_B, forced=True, elsewhere=True),
        Says(Reason.INVALID_SPEC),
    ),
}

FAILED: Table = {
    "failed as specified: no spinning": (
        settled(ONE_A, status="FAILED", error_message="No such\nendpoint. \x1b[31m"),
        Says(Reason.ENDPOINT_FAILED, words=("Atlas: No such endpoint. [31m", FORCE), without=("\n",)),
    ),
    "failed without a word": (
        settled(ONE_A, status="FAILED"),
        Says(Reason.ENDPOINT_FAILED, words=("Atlas: no message",), without=("None",)),
    ),
    "failed as specified, by force: everything is sent": (
        settled(ONE_A, status="FAILED", forced=True),
        Sends(ONE_A, Cause.FORCED),
    ),
    "failed and different, by force: everything is sent": (
        settled(ONE_A, status="FAILED", wants=ONE_B, forced=True),
        Sends(ONE_B, Cause.FORCED),
    ),
    "failed, drift is only reported, by force: everything is sent": (
        settled(ONE_A, status="FAILED", shows=ONE_B, report=True, forced=True),
        Sends(ONE_A, Cause.FORCED),
    ),
    "failed and nothing is managed: force has nothing to send": (
        Situation(status="FAILED", shows=ONE_A, forced=True),
        Says(Reason.ENDPOINT_FAILED),
    ),
    "failed, and the connection was edited: it is sent": (
        edited(ONE_A, status="FAILED", wants=TWO_A),
        Sends(TWO, Cause.EDIT),
    ),
    "failed, and the comment was edited: it is sent alone": (
        edited(ONE_A, status="FAILED", wants=ONE_B),
        Sends(B, Cause.EDIT),
    ),
    "failed, and drift is only reported: it is a failure": (
        settled(ONE_A, status="FAILED", shows=ONE_B, report=True),
        Says(Reason.ENDPOINT_FAILED, differs=("comment",)),
    ),
    "failed before it was reserved: nothing is sent, and changing the spec is no remedy": (
        Situation(status="FAILED", service=False, wants=ONE_A),
        Says(
            Reason.ENDPOINT_FAILED,
            words=("could not reserve", "new resource"),
            without=("spec.cloudProviderEndpointId", FORCE),
            differs=("connection", "comment"),
        ),
    ),
    "failed before it was reserved: force does not send": (
        Situation(status="FAILED", service=False, wants=ONE_A, forced=True),
        Says(Reason.ENDPOINT_FAILED, differs=("connection", "comment")),
    ),
}

TABLE: Table = {
    **AVAILABLE,
    **SETTLING,
    **STORED_OTHERWISE,
    **REFUSALS,
    **CONTESTED,
    **RESERVED,
    **INITIATING,
    **OTHER,
    **FAILED,
}


def check_state(state: State, expected: Says, provider: Provider) -> None:
    assert (state.reason, state.requeue) == (expected.reason, expected.requeue), state
    assert all(words in state.message for words in expected.words), state.message
    assert not any(words in state.message for words in expected.without), state.message
    assert {each.field for each in state.differences or ()} == expected.differing(provider)


def check(decision: Decision, expected: Sends | Says, provider: Provider) -> None:
    write = decision.write
    if isinstance(expected, Says):
        assert write is None
        check_state(decision.state, expected, provider)
        return
    assert write is not None, decision.state
    assert (write.fields, write.cause) == (expected.values.on(provider), expected.cause)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("situation", "expected"), TABLE.values(), ids=TABLE)
def test_decide(situation: Situation, expected: Sends | Says, provider: Provider) -> None:
    decision = decide(situation.facts(provider))
    assert decision.seen == situation.endpoint(provider)
    check(decision, expected, provider)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_write_is_one_call_and_touches_only_its_endpoint(provider: Provider) -> None:
    facts = edited(ONE_A, wants=ONE_B).facts(provider)
    write = decide(facts).write
    assert write is not None
    assert write.request == update_of(facts.scope.project_id, facts.scope.name, ENTRY, provider, {"comment": "b"})
    assert (write.touches, write.creates, write.surplus) == ((ENTRY,), None, None)


HELD: Mapping[str, tuple[Situation, float, Says]] = {
    "drift waits for its turn, and the way out is named": (
        settled(ONE_A, shows=ONE_B),
        420,
        Says(
            Reason.CORRECTION_HELD,
            RequeueAfter(420),
            words=("MAX_CORRECTIONS", "ATLAS_ENDPOINTS_WRITES=off", FORCE, "comment is 'b', not 'a'"),
            differs=("comment",),
        ),
    ),
    "a failed endpoint that has drifted": (
        settled(ONE_A, shows=TWO_A, status="FAILED"),
        420,
        Says(Reason.CORRECTION_HELD, RequeueAfter(420), differs=("connection",)),
    ),
    "an endpoint that is being connected goes on being looked at": (
        settled(ONE_A, shows=ONE_B, status="INITIATING", since=seconds(40)),
        420,
        Says(Reason.CORRECTION_HELD, RequeueAfter(10), differs=("comment",)),
    ),
    "its turn comes before the next look": (
        settled(ONE_A, shows=ONE_B, status="INITIATING", since=seconds(40)),
        3,
        Says(Reason.CORRECTION_HELD, RequeueAfter(3), differs=("comment",)),
    ),
    "drift is not corrected at all, which only a person can change": (
        settled(ONE_A, shows=ONE_B),
        math.inf,
        Says(Reason.DRIFTED, words=("MAX_CORRECTIONS=0", FORCE, "comment is 'b', not 'a'"), differs=("comment",)),
    ),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("situation", "wait", "expected"), HELD.values(), ids=HELD)
def test_held(situation: Situation, wait: float, expected: Says, provider: Provider) -> None:
    decision = decide(situation.facts(provider))
    assert decision.write is not None
    assert decision.write.cause is Cause.DRIFT
    check_state(held(decision, wait), expected, provider)


PLANNED: Mapping[str, tuple[Situation, Says]] = {
    "an edit": (
        edited(ONE_A, wants=ONE_B, policy="Plan"),
        Says(
            Reason.PLANNED,
            words=(
                "managementPolicy is Plan",
                "until you set it to Manage. Then",
                "because the spec has changed",
                "comment as 'b'",
            ),
            differs=("comment",),
        ),
    ),
    "an edit that the operator itself may not send": (
        edited(ONE_A, wants=ONE_B, writes=False),
        Says(Reason.PLANNED, words=("ATLAS_ENDPOINTS_WRITES=on. Then",), differs=("comment",)),
    ),
    "an edit that clears the comment": (
        edited(ONE_A, wants=Values("one", "")),
        Says(Reason.PLANNED, words=("comment as empty",), differs=("comment",)),
    ),
    "a first contact": (
        Situation(wants=ONE_A, shows=ONE_B),
        Says(Reason.PLANNED, words=("the resource is new",), differs=("comment",)),
    ),
    "drift": (
        settled(ONE_A, shows=ONE_B),
        Says(Reason.PLANNED, words=("changed in Atlas", "comment as 'a'"), differs=("comment",)),
    ),
    "all of a failed endpoint, by force": (
        settled(ONE_A, status="FAILED", forced=True),
        Says(Reason.PLANNED, words=("an annotation requests", "cloudProviderEndpointId as", "comment as 'a'")),
    ),
    "a connection of a reservation": (
        Situation(wants=ONE_A, status="RESERVED"),
        Says(Reason.PLANNED, words=("cloudProviderEndpointId as",), differs=("connection", "comment")),
    ),
    "a comment of an endpoint that is being connected, which goes on being looked at": (
        edited(ONE_A, wants=ONE_B, status="INITIATING", since=seconds(40)),
        Says(Reason.PLANNED, RequeueAfter(10), differs=("comment",)),
    ),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("situation", "expected"), PLANNED.values(), ids=PLANNED)
def test_planned(situation: Situation, expected: Says, provider: Provider) -> None:
    facts = situation.facts(provider)
    decision = decide(facts)
    assert decision.write is not None
    check_state(planned(facts, decision, decision.write), expected, provider)


OBSERVED: Mapping[str, tuple[Situation, Says]] = {
    "as specified": (settled(ONE_A), Says(Reason.AVAILABLE)),
    "as specified, though nothing was ever sent": (Situation(wants=ONE_A, shows=ONE_A), Says(Reason.AVAILABLE)),
    "an edit": (
        edited(ONE_A, wants=ONE_B),
        Says(Reason.DRIFTED, words=("comment is 'a', not 'b'", "Observe", "to Manage"), differs=("comment",)),
    ),
    "drift, whatever the policy for drift": (
        settled(ONE_A, shows=ONE_B, report=True),
        Says(Reason.DRIFTED, words=("Observe",), without=("driftPolicy",), differs=("comment",)),
    ),
    "drift of what was corrected three times": (
        settled(A, shows=B, corrected=(minutes(1), minutes(11), minutes(21))),
        Says(Reason.DRIFTED, words=("Observe",), without=("corrected",), differs=("comment",)),
    ),
    "what Atlas has refused": (
        edited(ONE_A, wants=TWO_A, refused=TWO),
        Says(Reason.DRIFTED, words=("Observe",), without=(REFUSED,), differs=("connection",)),
    ),
    "a reservation that nobody connects": (
        Situation(status="RESERVED", wants=ONE),
        Says(Reason.DRIFTED, words=("Observe", "is empty"), differs=("connection",)),
    ),
    "a reservation without a cloud endpoint": (
        Situation(status="RESERVED", wants=A, shows=A),
        Says(Reason.WAITING_FOR_CLOUD_ENDPOINT),
    ),
    "another connection is being made": (
        Situation(status="INITIATING", wants=ONE, shows=TWO),
        Says(
            Reason.DRIFTED,
            RequeueAfter(15),
            words=("Observe",),
            without=("when the endpoint is connected",),
            differs=("connection",),
        ),
    ),
    "the connection is being made": (
        Situation(status="INITIATING", wants=ONE, shows=ONE),
        Says(Reason.INITIATING, RequeueAfter(15)),
    ),
    "a reservation that is being made shows nothing yet": (
        Situation(status="RESERVATION_REQUESTED", wants=ONE_A),
        Says(Reason.RESERVATION_REQUESTED, RequeueAfter(15), differs=("connection", "comment")),
    ),
    "it has failed": (
        settled(ONE, status="FAILED", error_message="No route."),
        Says(Reason.ENDPOINT_FAILED, words=("Observe", "No route."), without=(FORCE,)),
    ),
    "it has failed and a person forces": (
        settled(ONE, status="FAILED", forced=True),
        Says(Reason.ENDPOINT_FAILED, words=("no message",)),
    ),
    "it is being deleted": (settled(ONE, status="DELETING"), Says(Reason.DELETING, RequeueAfter(15))),
    "of another cloud than the spec names": (
        settled(ONE_A, shows=ONE_B, elsewhere=True),
        Says(Reason.INVALID_SPEC, words=("in Atlas is GCP",)),
    ),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("situation", "expected"), OBSERVED.values(), ids=OBSERVED)
def test_observed(situation: Situation, expected: Says, provider: Provider) -> None:
    check(decide(replace(situation, policy="Observe").facts(provider)), expected, provider)


def after_answer(situation: Situation, sent: Values, provider: Provider) -> State:
    """What is said when a PATCH has just been confirmed and ``shows`` is the answer to it."""
    facts, fields = situation.facts(provider), sent.on(provider)
    request = update_of(facts.scope.project_id, facts.scope.name, ENTRY, provider, fields)
    write = Write(request, Cause.EDIT, fields, touches=(ENTRY,))
    return decide(answered(facts, write, situation.endpoint(provider))).state


ANSWERS: Mapping[str, tuple[Situation, Values, Says]] = {
    "the answer shows what was sent": (settled(ONE_A), ONE_A, Says(Reason.AVAILABLE)),
    "the answer does not show it yet": (
        settled(ONE_A, wants=ONE_B),
        B,
        Says(Reason.PENDING, RequeueAfter(5), differs=("comment",)),
    ),
    "the answer brings up drift: the next pass sends it": (
        settled(ONE_A, shows=TWO_A),
        A,
        Says(Reason.PENDING, RequeueAfter(5), words=("cloudProviderEndpointId",), differs=("connection",)),
    ),
    "the answer says that the endpoint has failed, and the cure is in the spec: the next pass sends it": (
        edited(ONE_A, wants=TWO_A, status="FAILED"),
        A,
        Says(Reason.PENDING, RequeueAfter(5), differs=("connection",)),
    ),
    "the answer says that the endpoint can be connected now: the next pass does": (
        edited(A, wants=ONE_A, status="RESERVED"),
        A,
        Says(Reason.PENDING, RequeueAfter(5), differs=("connection",)),
    ),
    "the answer brings up drift that is only reported": (
        settled(ONE_A, shows=TWO_A, report=True),
        A,
        Says(Reason.DRIFTED, differs=("connection",)),
    ),
    "other fields were sent without what was refused": (
        edited(ONE_B, wants=TWO_B, refused=TWO),
        B,
        Says(Reason.UPDATE_REJECTED, words=(REFUSED,), differs=("connection",)),
    ),
    "other fields were sent without the refused connection of a reservation": (
        edited(B, wants=ONE_B, status="RESERVED", refused=ONE),
        B,
        Says(Reason.UPDATE_REJECTED, words=(REFUSED,), differs=("connection",)),
    ),
    "other fields were sent without what was refused, and are not shown yet: the refusal comes first": (
        settled(ONE_A, wants=TWO_B, confirmed=A, refused=TWO),
        B,
        Says(Reason.UPDATE_REJECTED, words=(REFUSED,), differs=("connection", "comment")),
    ),
    "the answer says that the endpoint has failed as specified": (
        settled(ONE_A, status="FAILED"),
        ONE_A,
        Says(Reason.ENDPOINT_FAILED),
    ),
    "the answer says that the endpoint is being connected": (
        settled(ONE_A, status="INITIATING", since=seconds(0)),
        ONE_A,
        Says(Reason.INITIATING, RequeueAfter(5)),
    ),
    "the answer still says RESERVED, long after the reservation": (
        settled(ONE_A, status="RESERVED", since=A_DAY),
        ONE_A,
        Says(Reason.INITIATING, RequeueAfter(5)),
    ),
    "the answer still says RESERVED and does not show the connection": (
        settled(TWO_A, wants=ONE_A, status="RESERVED", since=A_DAY),
        ONE,
        Says(Reason.INITIATING, RequeueAfter(5), differs=("connection",)),
    ),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("situation", "sent", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer(situation: Situation, sent: Values, expected: Says, provider: Provider) -> None:
    check_state(after_answer(situation, sent, provider), expected, provider)


class TestWhatToConnect:
    @pytest.mark.parametrize(
        ("provider", "words"),
        [
            pytest.param("AWS", ("In AWS", "com.amazonaws.vpce.us-east-1.vpce-svc-0"), id="AWS"),
            pytest.param(
                "AZURE",
                ("In Azure", "pls_0", "/pls/0", "spec.privateEndpointIpAddress"),
                id="AZURE, known by its private link service",
            ),
        ],
    )
    def test_it_names_the_other_end(self, provider: Provider, words: tuple[str, ...]) -> None:
        expected = Says(Reason.WAITING_FOR_CLOUD_ENDPOINT, words=words)
        check(decide(Situation(status="RESERVED").facts(provider)), expected, provider)

    def test_azure_that_has_not_named_its_private_link_service(self) -> None:
        situation = Situation(status="RESERVED")
        endpoint = situation.endpoint("AWS").model_copy(update={"provider_name": "AZURE"})
        state = decide(facts_of(situation.resource("AZURE"), situation.before("AZURE"), endpoint)).state
        assert "In Azure" in state.message
        assert "None" not in state.message


class TestAzure:
    """One field of a connection alone; AWS has but one."""

    def test_a_reserved_endpoint_is_connected_with_both(self) -> None:
        moved = Values("one at another address")
        facts = edited(ONE, wants=moved, status="RESERVED").facts("AZURE")
        check(decide(facts), Sends(moved, Cause.EDIT), "AZURE")

    def test_an_available_one_is_sent_what_differs(self) -> None:
        write = decide(edited(ONE, wants=Values("one at another address")).facts("AZURE")).write
        assert write is not None
        assert (write.fields, write.cause) == ({ADDRESS: "10.0.0.9"}, Cause.EDIT)

    def test_a_connection_of_which_one_field_was_refused_and_the_other_edited_is_another_one(self) -> None:
        facts = edited(ONE, wants=TWO_B, generation=4, seen=3).facts("AZURE")
        refusal = Refusal({ID: facts.desired[ID]}, REFUSED)
        facts = replace(facts, baseline=replace(facts.baseline, refusal=refusal))
        check(decide(facts), Sends(TWO_B, Cause.EDIT), "AZURE")


class TestFight:
    def test_somebody_changes_a_field_back_all_day(self) -> None:
        """It is corrected three times in a row, and from then on once an hour."""
        facts = settled(ONE_A, shows=ONE_B).facts("AWS")
        corrections: list[Correction] = []
        for number in range(24 * 6):
            now, known = NOW + minutes(10) * number, corrections[-HISTORY_LIMIT:]
            write = decide(replace(facts, now=now, baseline=replace(facts.baseline, corrections=known))).write
            if write is not None:
                corrections.append(Correction(now, frozenset(write.fields)))
        gaps = [later.time - earlier.time for earlier, later in pairwise(corrections)]
        assert gaps == [minutes(10)] * 2 + [minutes(60)] * 23
