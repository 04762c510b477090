"""One field of one object: what is found there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.cluster.targets import VALUE_LIMIT, Lack, Target, extract

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "status"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("body", "path", "found"),
    [
        pytest.param({"status": {"id": "x"}}, "status.id", "x", id="a text is given as it stands"),
        pytest.param(
            {"status": {"id": " ../x\n"}}, "status.id", " ../x\n", id="also one that is no good: others judge it"
        ),
        pytest.param({"status": {"a": {"b": {"c": "x"}}}}, "status.a.b.c", "x", id="a path may be long"),
        pytest.param({"data": {"a-b_c": "x"}}, "data.a-b_c", "x", id="a name may hold dashes"),
        pytest.param({"spec": {}}, "status.id", Lack.ABSENT, id="an object without a status has no field in it"),
        pytest.param({"status": None}, "status.id", Lack.ABSENT, id="nor has one whose status is null"),
        pytest.param({"status": {}}, "status.id", Lack.ABSENT, id="a field may not be there yet"),
        pytest.param({"status": {"id": None}}, "status.id", Lack.ABSENT, id="null is not there"),
        pytest.param({"status": {"id": ""}}, "status.id", Lack.ABSENT, id="an empty text is not there yet"),
        pytest.param({"status": {"id": 7}}, "status.id", Lack.NO_TEXT, id="a number is no text"),
        pytest.param({"status": {"id": 0}}, "status.id", Lack.NO_TEXT, id="nor is zero"),
        pytest.param({"status": {"id": False}}, "status.id", Lack.NO_TEXT, id="nor is false"),
        pytest.param({"status": {"id": {"x": "y"}}}, "status.id", Lack.NO_TEXT, id="nor is an object"),
        pytest.param({"status": {"id": []}}, "status.id", Lack.NO_TEXT, id="nor is a list"),
        pytest.param({"status": "ok"}, "status.id", Lack.NO_TEXT, id="a text has no fields"),
        pytest.param({"status": ["id"]}, "status.id", Lack.NO_TEXT, id="a list has no fields"),
        pytest.param({"status": {"id": "x" * VALUE_LIMIT}}, "status.id", "x" * VALUE_LIMIT, id="a long text is one"),
        pytest.param(
            {"status": {"id": "x" * (VALUE_LIMIT + 1)}}, "status.id", Lack.NO_TEXT, id="an endless one is none"
        ),
        pytest.param(
            {"metadata": {"deletionTimestamp": "2026-11-25T12:00:00Z"}, "status": {"id": "x"}},
            "status.id",
            Lack.DELETING,
            id="what is being deleted takes its values along",
        ),
        pytest.param({"metadata": {"deletionTimestamp": None}, "a": "x"}, "a", "x", id="what is not, does not"),
        pytest.param({"metadata": "?", "a": "x"}, "a", "x", id="metadata of another type is nobody's business"),
    ],
)
def test_a_field_is_a_text_or_a_lack(body: dict[str, Any], path: str, found: str | Lack) -> None:
    assert extract(body, tuple(path.split("."))) == found


@given(st.dictionaries(st.sampled_from(["metadata", "status", "a"]), JSON), st.lists(st.text(max_size=3), min_size=1))
def test_each_value_is_a_text_of_bounded_length(body: dict[str, Any], path: list[str]) -> None:
    found = extract(body, tuple(path))
    assert isinstance(found, Lack) or 0 < len(found) <= VALUE_LIMIT


def test_the_names_of_object_and_field() -> None:
    target = Target("shop", "ec2.services.k8s.aws", "v1alpha1", "VPCEndpoint", "orders", ("status", "vpcEndpointID"))
    assert (target.object, target.field) == ("VPCEndpoint orders", ".status.vpcEndpointID")
