import inspect
import pickle

import grpc
import pytest
from underpaint.contract import errors, status
from underpaint.contract.deadlines import DEADLINES
from underpaint.contract.errors import UnderpaintError
from underpaint.v1 import cloud_pb2, edge_pb2, orchestrator_pb2

TREE = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, UnderpaintError)
]
# Raised as one of their children only.
BRANCHES = {
    UnderpaintError,
    errors.NotFound,
    errors.Refused,
    errors.Unavailable,
    errors.ResultWithheld,
}


def test_every_error_has_a_status_and_branches_have_none() -> None:
    assert set(status.CODES) == set(TREE) - BRANCHES


def test_the_drawn_tree_is_the_real_one() -> None:
    assert errors.__doc__
    for error in TREE:
        assert error.__name__ in errors.__doc__


def test_only_what_may_be_retried_is_unavailable() -> None:
    for error, code in status.CODES.items():
        retryable = issubclass(error, errors.Unavailable)
        assert retryable == (code is grpc.StatusCode.UNAVAILABLE), error


@pytest.mark.parametrize("error", sorted(status.CODES, key=lambda error: error.__name__))
def test_the_status_carries_code_and_message(error: type[UnderpaintError]) -> None:
    made = status.to_status(error("what is wrong"))
    assert made.code is status.CODES[error]
    assert made.details == "what is wrong"


@pytest.mark.parametrize("kind", [errors.ResultFlagged, errors.ResultUnusable])
def test_a_withheld_result_tells_what_it_took(kind: type[errors.ResultWithheld]) -> None:
    made = status.to_status(kind("try other words", model="sd-x", gpu_seconds=2.1))
    metadata = grpc.aio.Metadata(*made.trailing_metadata)
    call = grpc.aio.AioRpcError(made.code, grpc.aio.Metadata(), metadata, made.details)
    heard = status.from_rpc(call, "the cloud")
    assert isinstance(heard, kind)
    assert (str(heard), heard.model, heard.gpu_seconds) == ("try other words", "sd-x", 2.1)
    again = pickle.loads(pickle.dumps(heard))
    assert (str(again), again.model, again.gpu_seconds) == ("try other words", "sd-x", 2.1)


def test_every_rpc_has_a_deadline() -> None:
    modules = (edge_pb2, orchestrator_pb2, cloud_pb2)
    services = [s for m in modules for s in m.DESCRIPTOR.services_by_name.values()]
    methods = {f"/{s.full_name}/{method.name}" for s in services for method in s.methods}
    assert methods == set(DEADLINES)
    assert all(seconds > 0 for seconds in DEADLINES.values())
